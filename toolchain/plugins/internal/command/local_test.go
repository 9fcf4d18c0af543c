package command

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/host/internal/wire"
)

const localCommand = "command:local:Command"

func TestLocalCommandHasDirEnvironmentInterpreterAndStdin(t *testing.T) {
	p, _ := newProvider(t)
	directory := t.TempDir()
	made, err := p.Create(context.Background(), &pulumirpc.CreateRequest{
		Urn: urn(localCommand), Properties: properties(t, map[string]any{
			"create": "pwd; cat; echo $A", "dir": directory, "environment": map[string]any{"A": "b"}, "stdin": "in\n",
			"interpreter": []any{"/bin/sh", "-e", "-c"},
		}),
	})
	must(t, err)
	if out := made.Properties.Fields["stdout"].GetStringValue(); out != directory+"\nin\nb" {
		t.Errorf("stdout %q", out)
	}
}

func TestLocalFailureNamesExitStatusCommandAndOutput(t *testing.T) {
	p, _ := newProvider(t)
	_, err := p.Create(context.Background(), &pulumirpc.CreateRequest{
		Urn: urn(localCommand), Properties: properties(t, map[string]any{"create": "echo why; exit 4"}),
	})
	wantError(t, err, "exit status 4: running \"echo why; exit 4\":\nwhy\n")
}

// Only the command itself is killed: what it started goes on, and as long as that holds the output open, all wait.
func TestCancelKillsTheCommandAndWaitsForWhatItStarted(t *testing.T) {
	p, engine := newProvider(t)
	gate := t.TempDir() + "/gate"
	done := make(chan error, 1)
	go func() {
		_, err := p.Create(context.Background(), &pulumirpc.CreateRequest{
			Urn: urn(localCommand), Properties: properties(t, map[string]any{
				"create": "sh -c 'echo up; until [ -e " + gate + " ]; do sleep 0.02; done; echo last'; exit 1",
			}),
		})
		done <- err
	}()
	eventually(t, "the command's start", func() bool { return engine.seen("up") })
	_, err := p.Cancel(context.Background(), &emptypb.Empty{})
	must(t, err)
	select {
	case err := <-done:
		t.Fatalf("ended early: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	touch(t, gate)
	err = <-done
	wantError(t, err, "signal: killed: running ")
	wantError(t, err, "last\n")
}

func TestACustomTimeoutKillsALocalCommand(t *testing.T) {
	p, _ := newProvider(t)
	_, err := p.Create(context.Background(), &pulumirpc.CreateRequest{
		Urn: urn(localCommand), Timeout: 1, Properties: properties(t, map[string]any{"create": "exec sleep 600"}),
	})
	wantError(t, err, "signal: killed: running ")
}

func TestOutputThatIsNotUTF8CannotBeSent(t *testing.T) {
	p, _ := newProvider(t)
	made, err := p.Create(context.Background(), &pulumirpc.CreateRequest{
		Urn: urn(localCommand), Properties: properties(t, map[string]any{"create": "printf '\\377'"}),
	})
	must(t, err)
	if _, err := proto.Marshal(made); err == nil {
		t.Error("it can be sent")
	}
}

func TestAssetsAndArchivesAreTheFilesThatThePatternsName(t *testing.T) {
	p, _ := newProvider(t)
	directory := t.TempDir()
	made, err := p.Create(context.Background(), &pulumirpc.CreateRequest{
		Urn: urn(localCommand), Properties: properties(t, map[string]any{
			"create": "mkdir -p a/b; echo one >a/x.txt; echo two >a/b/y.txt; echo three >a/b/secret.txt",
			"dir":    directory, "assetPaths": []any{"a/**", "!**secret*"}, "archivePaths": []any{"a/*"},
		}),
	})
	must(t, err)
	found := made.Properties.Fields["assets"].GetStructValue().Fields
	if len(found) != 2 || found["a/b/y.txt"].GetStructValue().Fields["path"].GetStringValue() != directory+"/a/b/y.txt" {
		t.Errorf("assets %v", found)
	}
	kept := made.Properties.Fields["archive"].GetStructValue().Fields["assets"].GetStructValue().Fields
	if len(kept) != 1 || kept["a/x.txt"] == nil {
		t.Errorf("archive %v", kept)
	}
}

func TestPreviewKnowsTheInputsAndNotTheOutput(t *testing.T) {
	p, _ := newProvider(t)
	inputs := properties(t, map[string]any{"create": "touch /nowhere/at/all"})
	inputs.Fields["stdin"] = wire.Unknown()
	made, err := p.Create(context.Background(), &pulumirpc.CreateRequest{
		Urn: urn(localCommand), Properties: inputs, Preview: true,
	})
	must(t, err)
	fields := made.Properties.Fields
	if !wire.IsUnknown(fields["stdout"]) || !wire.IsUnknown(fields["stderr"]) || !wire.IsUnknown(fields["stdin"]) ||
		fields["create"].GetStringValue() != "touch /nowhere/at/all" {
		t.Errorf("preview %v", fields)
	}
}

func TestAPreviewedUpdateShowsTheLastOutputUnlessAnInputChanges(t *testing.T) {
	p, _ := newProvider(t)
	state := properties(t, map[string]any{"create": "a", "stdin": "x", "stdout": "last", "stderr": ""})
	for _, test := range []struct {
		news  map[string]any
		known bool
	}{
		{map[string]any{"create": "a", "stdin": "x", "delete": "new"}, true},
		{map[string]any{"create": "b", "stdin": "x"}, false},
		{map[string]any{"create": "a"}, false},
	} {
		made, err := p.Update(context.Background(), &pulumirpc.UpdateRequest{
			Urn: urn(localCommand), Olds: state, Preview: true, News: properties(t, test.news),
		})
		must(t, err)
		if wire.IsUnknown(made.Properties.Fields["stdout"]) == test.known {
			t.Errorf("%v: stdout %v", test.news, made.Properties.Fields["stdout"])
		}
	}
}

func TestDiffUpdatesAndOnlyWholeTriggersReplace(t *testing.T) {
	p, _ := newProvider(t)
	olds := map[string]any{"create": "a", "triggers": []any{"1"}, "environment": map[string]any{"A": "1"}}
	for _, test := range []struct {
		news     map[string]any
		paths    string
		replaces string
	}{
		{map[string]any{"create": "a", "triggers": []any{"1"}, "environment": map[string]any{"A": "1"}}, "", ""},
		{map[string]any{"create": "b", "triggers": []any{"1"}, "environment": map[string]any{"A": "1"}}, "create", ""},
		{map[string]any{"create": "a", "triggers": []any{"2"}, "environment": map[string]any{"A": "1"}}, "triggers[0]", ""},
		{map[string]any{"create": "a", "triggers": []any{"1", "2"}, "environment": map[string]any{"A": "1"}}, "triggers[1]", ""},
		{map[string]any{"create": "a", "triggers": []any{"1"}, "environment": map[string]any{"A": "2"}}, "environment.A", ""},
		{map[string]any{"create": "a", "triggers": []any{"1"}}, "environment", ""},
		{map[string]any{"create": "a", "environment": map[string]any{"A": "1"}}, "triggers", "triggers"},
	} {
		diff, err := p.Diff(context.Background(), &pulumirpc.DiffRequest{
			Urn: urn(localCommand), OldInputs: properties(t, olds), News: properties(t, test.news),
		})
		must(t, err)
		var paths []string
		for path := range diff.DetailedDiff {
			paths = append(paths, path)
		}
		if strings.Join(paths, " ") != test.paths || strings.Join(diff.Replaces, " ") != test.replaces {
			t.Errorf("%v: differs at %q, replaces %q", test.news, paths, diff.Replaces)
		}
	}
}

func TestSecretnessIsADifferenceAndSoIsWhatIsUnknown(t *testing.T) {
	plain := func(value *structpb.Value) *structpb.Struct {
		return &structpb.Struct{Fields: map[string]*structpb.Value{"create": value}}
	}
	olds := plain(structpb.NewStringValue("a"))
	for _, news := range []*structpb.Value{secretText("a"), wire.Unknown(), structpb.NewStringValue("b")} {
		if changes := wire.Diff(olds, plain(news)); changes["create"] != wire.Updated || len(changes) != 1 {
			t.Errorf("%v: %v", news, changes)
		}
	}
	object := func(text string) *structpb.Value {
		return wire.Secret(structpb.NewStructValue(plain(structpb.NewStringValue(text))))
	}
	if changes := wire.Diff(plain(object("a")), plain(object("a"))); len(changes) != 0 {
		t.Errorf("the same secret: %v", changes)
	}
	// One that is not known yet is none, and a check makes an empty one of it.
	if changes := wire.Diff(plain(secretText("a")), plain(wire.Secret(wire.Unknown()))); len(changes) != 0 {
		t.Errorf("an unknown secret: %v", changes)
	}
	// A secret is one value: where in it something differs is not told.
	if changes := wire.Diff(plain(object("a")), plain(object("b"))); changes["create"] != wire.Updated {
		t.Errorf("another secret: %v", changes)
	}
}

func TestCheckFillsDefaultsAndMakesTheConnectionSecret(t *testing.T) {
	p, _ := newProvider(t)
	checked, err := p.Check(context.Background(), &pulumirpc.CheckRequest{
		Urn: urn(remoteCommand), News: properties(t, map[string]any{"connection": map[string]any{"host": "h", "privateKey": "k"}}),
	})
	must(t, err)
	connection := checked.Inputs.Fields["connection"]
	if len(checked.Failures) != 0 || !wire.IsSecret(connection) {
		t.Fatalf("checked %v", checked)
	}
	want := map[string]any{"host": "h", "user": "root", "port": 22.0, "dialErrorLimit": 10.0, "perDialTimeout": 15.0}
	got := wire.Plain(connection).(map[string]any)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	if !wire.IsSecret(wire.Reveal(connection).GetStructValue().Fields["privateKey"]) {
		t.Error("the key in it is no secret of its own")
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	p, _ := newProvider(t)
	host := map[string]any{"host": "h"}
	for _, test := range []struct {
		kind     string
		news     map[string]any
		property string
	}{
		{remoteCommand, map[string]any{}, "connection"},
		{remoteCommand, map[string]any{"connection": map[string]any{}}, "connection.host"},
		{remoteCommand, map[string]any{"connection": map[string]any{"host": "h", "port": "ssh"}}, "connection.port"},
		{localCommand, map[string]any{"assetPaths": "*"}, "assetPaths"},
		{localCommand, map[string]any{"creates": "x"}, "creates"},
		{"command:remote:CopyToRemote", map[string]any{"connection": host, "remotePath": "/x"}, "source"},
	} {
		checked, err := p.Check(context.Background(), &pulumirpc.CheckRequest{Urn: urn(test.kind), News: properties(t, test.news)})
		must(t, err)
		if len(checked.Failures) == 0 || checked.Failures[0].Property != test.property || checked.Failures[0].Reason == "" {
			t.Errorf("%s %v: %v, want a failure of %s", test.kind, test.news, checked.Failures, test.property)
		}
	}
}

func TestWrongTypesAreNamedInPulumisWords(t *testing.T) {
	p, _ := newProvider(t)
	for _, test := range []struct {
		news map[string]any
		want string
	}{
		{map[string]any{"create": 1}, "must be a string, but is a number"},
		{map[string]any{"environment": "x"}, "must be a map, but is a string"},
		{map[string]any{"environment": map[string]any{"A": 1}}, "must be a string, but is a number"},
		{map[string]any{"triggers": "x"}, "must be a list, but is a string"},
		{map[string]any{"addPreviousOutputInEnv": "x"}, "must be a boolean, but is a string"},
	} {
		checked, err := p.Check(context.Background(), &pulumirpc.CheckRequest{Urn: urn(localCommand), News: properties(t, test.news)})
		must(t, err)
		if len(checked.Failures) != 1 || checked.Failures[0].Reason != test.want || checked.Failures[0].Property == "" {
			t.Errorf("%v: %v", test.news, checked.Failures)
		}
	}
}

func TestTheFunctionRunReturnsTheOutputAndKeepsASecretCommandsOutputSecret(t *testing.T) {
	p, _ := newProvider(t)
	args := properties(t, map[string]any{"command": "echo hi"})
	result, err := p.Invoke(context.Background(), &pulumirpc.InvokeRequest{Tok: "command:local:run", Args: args})
	must(t, err)
	if result.Return.Fields["stdout"].GetStringValue() != "hi" || result.Return.Fields["command"].GetStringValue() != "echo hi" {
		t.Errorf("result %v", result)
	}
	args.Fields["command"] = secretText("echo hi")
	result, err = p.Invoke(context.Background(), &pulumirpc.InvokeRequest{Tok: "command:local:run", Args: args})
	must(t, err)
	if !wire.IsSecret(result.Return.Fields["stdout"]) {
		t.Errorf("result %v", result)
	}
}

func secretText(text string) *structpb.Value { return wire.Secret(structpb.NewStringValue(text)) }

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Fatalf("error %v, want one with %q", err, part)
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	must(t, os.WriteFile(path, nil, 0o600))
}

func mustExist(t *testing.T, path string) {
	t.Helper()
	_, err := os.Stat(path)
	must(t, err)
}
