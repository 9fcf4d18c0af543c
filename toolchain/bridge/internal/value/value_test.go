package value

import (
	"math/rand"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/bridge/internal/shape"
	"tandem.local/toolchain/bridge/internal/tfschema"
)

// schema has every nesting and kind of attribute that providers use.
func schema() *tfschema.Block {
	object := cty.Object(map[string]cty.Type{"key_name": cty.String, "counts": cty.List(cty.Number)})
	inner := &tfschema.Block{Attributes: []*tfschema.Attribute{
		{Name: "inner_name", Type: cty.String, Required: true},
		{Name: "size", Type: cty.Number, Optional: true, Computed: true},
	}}
	return &tfschema.Block{
		Attributes: []*tfschema.Attribute{
			{Name: "text", Type: cty.String, Optional: true},
			{Name: "flag", Type: cty.Bool, Optional: true},
			{Name: "number", Type: cty.Number, Optional: true, Computed: true},
			{Name: "word", Type: cty.List(cty.String), Optional: true},
			{Name: "id_set", Type: cty.Set(cty.String), Optional: true},
			{Name: "tags", Type: cty.Map(cty.String), Optional: true},
			{Name: "entry", Type: cty.List(object), Computed: true},
			{Name: "password", Type: cty.String, Optional: true, Sensitive: true},
		},
		Blocks: []*tfschema.NestedBlock{
			{Name: "one", Block: inner, Nesting: tfschema.List, MaxItems: 1},
			{Name: "many", Block: inner, Nesting: tfschema.List},
			{Name: "any", Block: inner, Nesting: tfschema.Set},
			{Name: "single", Block: inner, Nesting: tfschema.Single},
		},
	}
}

// random makes a value of a node; null and unknown come up as they do in plans.
func random(r *rand.Rand, node *shape.Node, unknown bool) cty.Value {
	kind := node.Type
	if unknown && r.Intn(8) == 0 {
		return cty.UnknownVal(kind)
	}
	if !node.Block && !kind.IsObjectType() && r.Intn(4) == 0 {
		return cty.NullVal(kind)
	}
	count := r.Intn(3)
	if node.One {
		// Whether an attribute of at most one is empty or null can't be told in Pulumi; blocks are never null.
		count = r.Intn(2)
	}
	switch {
	case kind == cty.String:
		return cty.StringVal([]string{"", "a", "x.y", "ä"}[r.Intn(4)])
	case kind == cty.Bool:
		return cty.BoolVal(r.Intn(2) == 0)
	case kind == cty.Number:
		return cty.NumberFloatVal([]float64{0, 1, -2.5, 1 << 52}[r.Intn(4)])
	case kind.IsObjectType():
		values := map[string]cty.Value{}
		for _, field := range node.Fields {
			values[field.TF] = random(r, field.Node, unknown)
		}
		return cty.ObjectVal(values)
	case kind.IsMapType():
		values := map[string]cty.Value{}
		for i := range count {
			values[[]string{"k", "a.b/c", "camelCase"}[i]] = random(r, node.Elem, false)
		}
		if count == 0 {
			return cty.MapValEmpty(kind.ElementType())
		}
		return cty.MapVal(values)
	}
	var elements []cty.Value
	for range count {
		elements = append(elements, random(r, node.Elem, false))
	}
	switch {
	case kind.IsSetType() && count > 0:
		return cty.SetVal(elements)
	case kind.IsSetType():
		return cty.SetValEmpty(kind.ElementType())
	case count > 0:
		return cty.ListVal(elements)
	default:
		return cty.ListValEmpty(kind.ElementType())
	}
}

// A state survives the way through Pulumi unchanged, unknowns and empty collections included.
func TestRoundTrip(t *testing.T) {
	node := shape.Build(schema(), nil)
	for seed := range int64(3000) {
		want := random(rand.New(rand.NewSource(seed)), node, true)
		if !want.IsKnown() {
			continue
		}
		outputs, _ := PlainObject(Object(node, want))
		encoder := Encoder{Strict: true}
		got := encoder.Object(node, outputs, "")
		if len(encoder.Problems) > 0 || !got.RawEquals(want) {
			t.Fatalf("seed %d: %v\nwant %#v\ngot  %#v", seed, encoder.Problems, want, got)
		}
	}
}

// What the schema calls sensitive is a secret, and secrets are found and stripped at any depth.
func TestSecrets(t *testing.T) {
	node := shape.Build(schema(), nil)
	encoder := Encoder{}
	config := encoder.Object(node, &structpb.Struct{Fields: map[string]*structpb.Value{
		"password": structpb.NewStringValue("hush"), "text": structpb.NewStringValue("open"),
	}}, "")
	outputs := Object(node, config)
	if keys := SecretKeys(outputs); !keys["password"] || keys["text"] {
		t.Fatalf("secret keys: %v", keys)
	}
	deep := structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
		MakeSecret(structpb.NewStringValue("x")), structpb.NewBoolValue(true),
	}})
	plain, secret := Plain(deep)
	if !secret || plain.GetListValue().Values[0].GetStringValue() != "x" {
		t.Fatalf("secret %v, plain %v", secret, plain)
	}
	again, secret := Plain(plain)
	if secret || !proto.Equal(again, plain) {
		t.Fatal("stripping twice is not stripping once")
	}
}

// Configuration of a provider comes as JSON text, and as plain text where it is text.
func TestJSONConfiguration(t *testing.T) {
	node := shape.Build(schema(), nil)
	encoder := Encoder{Strict: true, JSON: true}
	got := encoder.Object(node, &structpb.Struct{Fields: map[string]*structpb.Value{
		"words": structpb.NewStringValue(`["a", "b"]`),
		"flag":  structpb.NewStringValue("true"),
		"text":  structpb.NewStringValue(`["not JSON"]`),
		"manies": structpb.NewStringValue(
			`[{"innerName": {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "s"}}]`),
	}}, "")
	if len(encoder.Problems) > 0 {
		t.Fatal(encoder.Problems)
	}
	if got.GetAttr("word").LengthInt() != 2 || !got.GetAttr("flag").True() ||
		got.GetAttr("text").AsString() != `["not JSON"]` ||
		got.GetAttr("many").AsValueSlice()[0].GetAttr("inner_name").AsString() != "s" {
		t.Fatalf("%#v", got)
	}
}

// Wrong input is named by its Pulumi path.
func TestProblems(t *testing.T) {
	node := shape.Build(schema(), nil)
	encoder := Encoder{Strict: true}
	bad := func(v any) *structpb.Value {
		made, err := structpb.NewValue(v)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	encoder.Object(node, &structpb.Struct{Fields: map[string]*structpb.Value{
		"word":   bad([]any{"singular"}),
		"number": bad("many"),
		"manies": bad([]any{map[string]any{"innerName": []any{}}}),
	}}, "")
	found := map[string]bool{}
	for _, problem := range encoder.Problems {
		found[problem.Property] = true
	}
	if !found["word"] || !found["number"] || !found["manies[0].innerName"] || len(found) != 3 {
		t.Fatalf("%v", encoder.Problems)
	}
}
