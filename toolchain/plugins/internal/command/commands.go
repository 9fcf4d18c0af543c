package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/host/internal/wire"
)

// The names under which the previous output is put into a command's environment.
const (
	previousStdout = "PULUMI_COMMAND_STDOUT"
	previousStderr = "PULUMI_COMMAND_STDERR"
)

// commands are local.Command and remote.Command, which differ in where a command runs.
type commands struct {
	kind interface {
		check(inputs *structpb.Struct) []*pulumirpc.CheckFailure
		run(ctx context.Context, task task, properties commandProperties, command string, out *capture) error
		results(properties commandProperties) (map[string]*structpb.Value, error)
	}
}

func (c commands) newID(name string) string { return uniqueHex(name) }

func (c commands) check(inputs *structpb.Struct) []*pulumirpc.CheckFailure {
	return append(checkTypes(inputs, &commandProperties{}), c.kind.check(inputs)...)
}

// preview: what a command will print is not known before it ran. An update that changes no input which the state has
// shows what was printed last.
func (c commands) preview(state, inputs *structpb.Struct) map[string]*structpb.Value {
	known := state != nil
	for _, value := range inputs.GetFields() {
		known = known && !wire.HasUnknowns(value)
	}
	for name, old := range state.GetFields() {
		known = known && (slices.Contains(results, name) || wire.Equal(old, inputs.GetFields()[name]))
	}
	if known {
		return outputOf(state).values()
	}
	return map[string]*structpb.Value{"stdout": wire.Unknown(), "stderr": wire.Unknown()}
}

// results are the properties that are no inputs.
var results = []string{"stdout", "stderr", "assets", "archive"}

func (c commands) create(ctx context.Context, task task, inputs *structpb.Struct) (map[string]*structpb.Value, error) {
	return c.run(ctx, task, inputs, commandOutput{}, "create")
}

func (c commands) update(
	ctx context.Context, task task, state, _, inputs *structpb.Struct,
) (map[string]*structpb.Value, error) {
	step := "create"
	if inputs.GetFields()["update"] != nil {
		step = "update"
	}
	return c.run(ctx, task, inputs, outputOf(state), step)
}

func (c commands) delete(ctx context.Context, task task, state *structpb.Struct) error {
	_, err := c.run(ctx, task, state, outputOf(state), "delete")
	return err
}

// commandOutput is what a command printed, without the last line's end.
type commandOutput struct{ stdout, stderr string }

func outputOf(state *structpb.Struct) commandOutput {
	fields := state.GetFields()
	return commandOutput{
		stdout: wire.Reveal(fields["stdout"]).GetStringValue(), stderr: wire.Reveal(fields["stderr"]).GetStringValue(),
	}
}

func (o commandOutput) values() map[string]*structpb.Value {
	return map[string]*structpb.Value{
		"stdout": structpb.NewStringValue(o.stdout), "stderr": structpb.NewStringValue(o.stderr),
	}
}

// run runs the command of a step ("create", "update", "delete"); without one the previous output stays.
func (c commands) run(
	ctx context.Context, task task, from *structpb.Struct, previous commandOutput, step string,
) (map[string]*structpb.Value, error) {
	value := from.GetFields()[step]
	if value == nil {
		return previous.values(), nil
	}
	properties := commandProperties{}
	if err := decode(from, &properties); err != nil {
		return nil, err
	}
	properties.Stdout, properties.Stderr = previous.stdout, previous.stderr
	command := wire.Reveal(value).GetStringValue()
	out := newCapture(task.log, properties.Logging)
	err := c.kind.run(ctx, task, properties, command, out)
	if tooLong := out.close(); err == nil && tooLong {
		err = errTooLong
	}
	if err != nil {
		if !out.started {
			return nil, err
		}
		return nil, fmt.Errorf("%w: running %q:\n%s", err, command, out.both.String())
	}
	outputs, err := c.kind.results(properties)
	if err != nil {
		return nil, err
	}
	return merge(&structpb.Struct{Fields: outputs}, out.output().values()).Fields, nil
}

// errTooLong stands where the official plugin would wait for ever.
var errTooLong = errors.New("a line of the output is longer than 64 KiB, and Pulumi's command plugin stops reading " +
	"there and waits for ever: print shorter lines, or set logging to none")

// previousOutput returns the environment that hands the previous output to the next command.
func (p commandProperties) previousOutput() map[string]string {
	env := map[string]string{}
	if p.AddPreviousOutputInEnv != nil && !*p.AddPreviousOutputInEnv {
		return env
	}
	if p.Stdout != "" {
		env[previousStdout] = p.Stdout
	}
	if p.Stderr != "" {
		env[previousStderr] = p.Stderr
	}
	return env
}

// capture keeps what a command prints, each stream by itself and both in the order they came, and shows the user the
// lines that the logging level lets through while the command runs.
type capture struct {
	mu                   sync.Mutex
	stdout, stderr, both bytes.Buffer
	out, err             stream
	lines                *lineLogger // of both streams: what one leaves unfinished the other goes on with
	started              bool        // the command got so far that its output belongs into an error
}

type stream struct {
	capture *capture
	buffer  *bytes.Buffer
	shown   bool
}

func newCapture(log logger, level *string) *capture {
	c := &capture{lines: newLineLogger(log)}
	shown := func(name string) bool { return level == nil || *level == name || *level == "stdoutAndStderr" }
	c.out = stream{capture: c, buffer: &c.stdout, shown: shown("stdout")}
	c.err = stream{capture: c, buffer: &c.stderr, shown: shown("stderr")}
	return c
}

func (s *stream) Write(text []byte) (int, error) {
	s.capture.mu.Lock()
	defer s.capture.mu.Unlock()
	s.buffer.Write(text)
	s.capture.both.Write(text)
	if s.shown {
		s.capture.lines.write(text)
	}
	return len(text), nil
}

// close ends the showing of lines; it tells whether a line was too long for it.
func (c *capture) close() bool { return c.lines.close() }

// output is as it came: what is not UTF-8 can't be sent to the engine, and fails there.
func (c *capture) output() commandOutput {
	return commandOutput{
		stdout: strings.TrimSuffix(c.stdout.String(), "\n"), stderr: strings.TrimSuffix(c.stderr.String(), "\n"),
	}
}
