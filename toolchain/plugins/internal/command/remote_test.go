package command

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

const remoteCommand = "command:remote:Command"

func createRemote(t *testing.T, p *Provider, values map[string]any) (*pulumirpc.CreateResponse, error) {
	t.Helper()
	return p.Create(context.Background(), &pulumirpc.CreateRequest{
		Urn: urn(remoteCommand), Properties: properties(t, values),
	})
}

func TestRemoteCommandReturnsBothStreamsAndShowsTheirLines(t *testing.T) {
	server := newServer(t)
	p, engine := newProvider(t)
	made, err := createRemote(t, p, map[string]any{
		"connection": server.connection(nil), "create": "cat; echo oops >&2", "stdin": "from stdin\n",
	})
	must(t, err)
	if out := made.Properties.Fields["stdout"].GetStringValue(); out != "from stdin" {
		t.Errorf("stdout %q", out)
	}
	if out := made.Properties.Fields["stderr"].GetStringValue(); out != "oops" {
		t.Errorf("stderr %q", out)
	}
	if !strings.HasPrefix(made.Id, "it") || len(made.Id) != len("it")+8 {
		t.Errorf("id %q is not the name and 8 digits", made.Id)
	}
	if !engine.seen("from stdin") || !engine.seen("oops") {
		t.Errorf("shown: %q", engine.lines)
	}
}

func TestInputArrivesAndIsOnlySafeUnreadWhileItIsShort(t *testing.T) {
	server := newServer(t)
	p, _ := newProvider(t)
	for _, size := range []int{10, 8 << 20} { // the second is more than SSH's window
		_, err := createRemote(t, p, map[string]any{
			"connection": server.connection(nil), "create": "true", "stdin": strings.Repeat("x", size),
		})
		// A long one that nobody reads is a race between its last byte and the command's end.
		if err != nil && (size == 10 || !strings.HasPrefix(err.Error(), `rpc error: code = Unknown desc = EOF: running "true"`)) {
			t.Errorf("%d bytes that nobody reads: %v", size, err)
		}
		made, err := createRemote(t, p, map[string]any{
			"connection": server.connection(nil), "create": "wc -c", "stdin": strings.Repeat("x", size),
		})
		must(t, err)
		if out := made.Properties.Fields["stdout"].GetStringValue(); out != strconv.Itoa(size) {
			t.Errorf("%s bytes arrived of %d", out, size)
		}
	}
}

func TestWithoutACommandNobodyIsAsked(t *testing.T) {
	p, _ := newProvider(t)
	_, err := createRemote(t, p, map[string]any{
		"connection": map[string]any{"host": "127.0.0.1", "port": 1, "dialErrorLimit": 0},
	})
	must(t, err)
}

func TestTheConnectionOfACommandStaysOpen(t *testing.T) {
	server := newServer(t)
	p, _ := newProvider(t)
	_, err := createRemote(t, p, map[string]any{"connection": server.connection(nil), "create": "true"})
	must(t, err)
	if open := server.open.Load(); open != 1 {
		t.Errorf("%d connections", open)
	}
}

func TestLinesAreShownWhileTheCommandRuns(t *testing.T) {
	server := newServer(t)
	p, engine := newProvider(t)
	gate := t.TempDir() + "/gate"
	done := make(chan error, 1)
	go func() {
		_, err := createRemote(t, p, map[string]any{
			"connection": server.connection(nil), "create": "echo started; until [ -e " + gate + " ]; do sleep 0.02; done",
		})
		done <- err
	}()
	eventually(t, "the first line, before the command ended", func() bool { return engine.seen("started") })
	select {
	case err := <-done:
		t.Fatalf("the command ended early: %v", err)
	default:
	}
	touch(t, gate)
	must(t, <-done)
}

func TestLoggingNoneKeepsOutputFromTheUserButInTheOutputs(t *testing.T) {
	server := newServer(t)
	p, engine := newProvider(t)
	made, err := createRemote(t, p, map[string]any{
		"connection": server.connection(nil), "create": "echo hush", "logging": "none",
	})
	must(t, err)
	if made.Properties.Fields["stdout"].GetStringValue() != "hush" || engine.seen("hush") {
		t.Errorf("outputs %v, shown %q", made.Properties, engine.lines)
	}
}

func TestFailureNamesExitStatusCommandAndOutput(t *testing.T) {
	server := newServer(t)
	p, _ := newProvider(t)
	_, err := createRemote(t, p, map[string]any{
		"connection": server.connection(nil), "create": "echo why >&2; exit 7",
	})
	wantError(t, err, "Process exited with status 7: running \"echo why >&2; exit 7\":\nwhy\n")
}

func TestFailureOfASecretCommandShowsIt(t *testing.T) {
	server := newServer(t)
	p, _ := newProvider(t)
	inputs := properties(t, map[string]any{"connection": server.connection(nil)})
	inputs.Fields["create"] = secretText("exit 3 # hunter2")
	_, err := p.Create(context.Background(), &pulumirpc.CreateRequest{Urn: urn(remoteCommand), Properties: inputs})
	wantError(t, err, `Process exited with status 3: running "exit 3 # hunter2"`)
}

func TestRefusedEnvironmentIsAnErrorAndSaysAcceptEnv(t *testing.T) {
	server := newServer(t)
	p, engine := newProvider(t)
	_, err := createRemote(t, p, map[string]any{
		"connection": server.connection(nil), "create": "true", "environment": map[string]any{"SECRET_SAUCE": "x"},
	})
	wantError(t, err, `could not set environment variable "SECRET_SAUCE"`)
	if len(engine.permanent) != 1 || !strings.Contains(engine.permanent[0], "AcceptEnv") {
		t.Errorf("messages: %q", engine.permanent)
	}
	made, err := createRemote(t, p, map[string]any{
		"connection": server.connection(nil), "create": "echo $LANG", "environment": map[string]any{"LANG": "xx"},
	})
	must(t, err)
	if made.Properties.Fields["stdout"].GetStringValue() != "xx" {
		t.Errorf("outputs %v", made.Properties)
	}
}

func TestUpdateRunsUpdateThenCreateWithThePreviousOutput(t *testing.T) {
	server := newServer(t)
	p, _ := newProvider(t)
	state := properties(t, map[string]any{"stdout": "before", "stderr": "lost"})
	for _, test := range []struct {
		changes map[string]any
		want    string
	}{
		{map[string]any{"update": "echo u-$PULUMI_COMMAND_STDOUT"}, "u-before"},
		{map[string]any{}, "c-before"},
		{map[string]any{"addPreviousOutputInEnv": false}, "c-"},
	} {
		news := map[string]any{"connection": server.connection(nil), "create": "echo c-$PULUMI_COMMAND_STDOUT"}
		for name, value := range test.changes {
			news[name] = value
		}
		made, err := p.Update(context.Background(), &pulumirpc.UpdateRequest{
			Urn: urn(remoteCommand), Olds: state, News: properties(t, news),
		})
		must(t, err) // a refused PULUMI_COMMAND_STDERR is a warning only
		if out := made.Properties.Fields["stdout"].GetStringValue(); out != test.want {
			t.Errorf("%v: stdout %q, want %q", test.changes, out, test.want)
		}
	}
}

func TestDeleteRunsDeleteOrNothing(t *testing.T) {
	server := newServer(t)
	p, _ := newProvider(t)
	mark := t.TempDir() + "/deleted"
	state := map[string]any{"connection": server.connection(nil), "create": "true", "delete": "touch " + mark}
	_, err := p.Delete(context.Background(), &pulumirpc.DeleteRequest{Urn: urn(remoteCommand), Properties: properties(t, state)})
	must(t, err)
	mustExist(t, mark)
	_, err = p.Delete(context.Background(), &pulumirpc.DeleteRequest{
		Urn: urn(remoteCommand),
		// Nobody listens there: without a delete command nobody is asked.
		Properties: properties(t, map[string]any{"connection": map[string]any{"host": "127.0.0.1", "port": 1}}),
	})
	must(t, err)
}

func TestCancelWaitsForTheRemoteCommand(t *testing.T) {
	server := newServer(t)
	p, engine := newProvider(t)
	gate := t.TempDir() + "/gate"
	done := make(chan error, 1)
	go func() {
		_, err := createRemote(t, p, map[string]any{
			"connection": server.connection(nil), "create": "echo up; until [ -e " + gate + " ]; do sleep 0.02; done",
		})
		done <- err
	}()
	eventually(t, "the command's start", func() bool { return engine.seen("up") })
	_, err := p.Cancel(context.Background(), &emptypb.Empty{})
	must(t, err)
	select {
	case err := <-done:
		t.Fatalf("the command ended early: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	touch(t, gate)
	must(t, <-done)
}

func TestAnEndlessLineFailsWhereItIsShown(t *testing.T) {
	server := newServer(t)
	p, engine := newProvider(t)
	for logging, works := range map[string]bool{"stdout": false, "stderr": true, "none": true} {
		made, err := createRemote(t, p, map[string]any{
			"connection": server.connection(nil), "logging": logging,
			"create": "head -c 300000 /dev/zero | tr '\\0' x; printf '10%%\\r20%%\\r30%%\\r\\n'",
		})
		if !works {
			wantError(t, err, "longer than 64 KiB")
			continue
		}
		must(t, err)
		if length := len(made.Properties.Fields["stdout"].GetStringValue()); length != 300000+12 {
			t.Errorf("stdout has %d bytes", length)
		}
	}
	_, err := createRemote(t, p, map[string]any{
		"connection": server.connection(nil), "create": "printf '10%%\\r20%%\\r\\n'",
	})
	must(t, err)
	if !engine.seen("10%\r20%") {
		t.Errorf("shown: %q", engine.lines)
	}
}
