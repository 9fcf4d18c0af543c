package server

import (
	"errors"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/bridge/internal/shape"
)

func named(t *testing.T, request *pulumirpc.CheckRequest) *structpb.Struct {
	t.Helper()
	kind := &kind{Mapped: &shape.Mapped{Autoname: &shape.Autoname{Property: "name", MaxLength: 20, Separator: "-"}}}
	inputs := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for key, v := range request.GetNews().GetFields() {
		inputs.Fields[key] = v
	}
	if failure := autoname(kind, request, inputs); failure != nil {
		t.Fatal(failure.GetReason())
	}
	if deleteFirst(kind, inputs) == madeUp(inputs, "name") {
		t.Fatal("a name that the user chose, and only that, is in the new resource's way")
	}
	return inputs
}

// A made-up name follows the seed and stays; a name that the user gave and took back does not.
func TestAutoname(t *testing.T) {
	urn := "urn:pulumi:s::p::docker:index/container:Container::web"
	first := named(t, &pulumirpc.CheckRequest{Urn: urn, RandomSeed: []byte("seed")})
	name := first.Fields["name"].GetStringValue()
	if !strings.HasPrefix(name, "web-") || len(name) != len("web-")+7 {
		t.Fatalf("name %q", name)
	}
	if again := named(t, &pulumirpc.CheckRequest{Urn: urn, RandomSeed: []byte("seed")}); again.Fields["name"].GetStringValue() != name {
		t.Fatal("the same seed gives another name")
	}
	if kept := named(t, &pulumirpc.CheckRequest{Urn: urn, Olds: first, RandomSeed: []byte("2")}); kept.Fields["name"].GetStringValue() != name {
		t.Fatal("the old name is not kept")
	}
	given := &structpb.Struct{Fields: map[string]*structpb.Value{"name": structpb.NewStringValue("mine")}}
	chosen := named(t, &pulumirpc.CheckRequest{Urn: urn, News: given})
	if chosen.Fields["name"].GetStringValue() != "mine" {
		t.Fatal("the given name is not taken")
	}
	if back := named(t, &pulumirpc.CheckRequest{Urn: urn, Olds: chosen}); back.Fields["name"].GetStringValue() == "mine" {
		t.Fatal("the name that the user took back is kept")
	}
	proposed := &pulumirpc.CheckRequest_AutonamingOptions{
		ProposedName: "theirs", Mode: pulumirpc.CheckRequest_AutonamingOptions_PROPOSE}
	if by := named(t, &pulumirpc.CheckRequest{Urn: urn, Autonaming: proposed}); by.Fields["name"].GetStringValue() != "theirs" {
		t.Fatal("the engine's proposal is not taken")
	}
}

// The provider's private state comes back as it was; timeouts get in where Terraform's SDK looks for them.
func TestMeta(t *testing.T) {
	outputs := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for _, private := range []string{`{"schema_version":"2","k":{"create":1200000000000}}`, "\x00binary", ""} {
		newMeta([]byte(private), 2).store(outputs)
		hidden := readMeta(outputs)
		hidden[settledKey] = "digest"
		hidden.store(outputs)
		got := string(readMeta(outputs).private())
		if private != "" && private[0] != '{' && got != private {
			t.Fatalf("binary private state %q came back as %q", private, got)
		}
		if strings.Contains(got, settledKey) {
			t.Fatalf("the provider gets our mark: %s", got)
		}
		if private != "" && private[0] == '{' && !strings.Contains(got, `"create":1200000000000`) {
			t.Fatalf("private state %s came back as %s", private, got)
		}
	}
	if got := string(withTimeout(nil, "create", 90)); got != `{"`+timeoutsKey+`":{"create":90000000000}}` {
		t.Fatalf("timeout: %s", got)
	}
}

// While neither inputs nor outputs change, the digest stays, secret or not; any change changes it.
func TestSettled(t *testing.T) {
	s := &Server{mapping: &shape.Mapping{Version: "1"}}
	object := func(text string) *structpb.Struct {
		return &structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewStringValue(text)}}
	}
	outputs := object("out")
	before := s.settled(object("in"), outputs)
	newMeta(nil, 1).store(outputs)
	if s.settled(object("in"), outputs) != before {
		t.Fatal("the hidden output counts")
	}
	if s.settled(object("in2"), outputs) == before || s.settled(object("in"), object("out2")) == before {
		t.Fatal("a change does not count")
	}
}

// What failed half-way is kept as it is and without a mark: whether it is made anew is the program's to say.
func TestInitFailed(t *testing.T) {
	outputs := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	newMeta(nil, 1).store(outputs)
	found := status.Convert(initFailed("id", outputs, errors.New("creating urn: no such file")))
	detail, ok := found.Details()[0].(*pulumirpc.ErrorResourceInitFailed)
	if !ok || detail.GetId() != "id" || detail.GetReasons()[0] != "creating urn: no such file" {
		t.Fatalf("error %v", found)
	}
	if text := detail.GetProperties().Fields[metaKey].GetStringValue(); text != `{"schema_version":"1"}` {
		t.Fatalf("kept with %s", text)
	}
}
