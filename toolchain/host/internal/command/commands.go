package command

import (
	"bytes"
	"context"
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

var loggingLevels = []string{"stdout", "stderr", "stdoutAndStderr", "none"}

// commands are local.Command and remote.Command, which differ in where a command runs.
type commands struct {
	kind interface {
		check(inputs *structpb.Struct, properties commandProperties) []*pulumirpc.CheckFailure
		run(ctx context.Context, task task, properties commandProperties, command string, out *capture) error
	}
}

func (c commands) newID(name string) string { return uniqueHex(name) }

func (c commands) check(inputs *structpb.Struct) []*pulumirpc.CheckFailure {
	properties := commandProperties{}
	failures := checkTypes(inputs, &properties)
	if properties.Logging != nil && !slices.Contains(loggingLevels, *properties.Logging) {
		failures = append(failures, failed("logging", "must be one of %s, but is %q",
			strings.Join(loggingLevels, ", "), *properties.Logging)...)
	}
	if inputs.Fields["addPreviousOutputInEnv"] == nil {
		inputs.Fields["addPreviousOutputInEnv"] = structpb.NewBoolValue(true)
	}
	return append(failures, c.kind.check(inputs, properties)...)
}

// preview: what a command will print is not known before it ran.
func (c commands) preview(*structpb.Struct) map[string]*structpb.Value {
	return map[string]*structpb.Value{"stdout": wire.Unknown(), "stderr": wire.Unknown()}
}

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
	out.close()
	if err != nil {
		if !out.started {
			return nil, err
		}
		if wire.HasSecrets(value) {
			command = "[secret]"
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("cancelled: %w", err)
		}
		return nil, fmt.Errorf("%w: running %q:\n%s", err, command, out.both.String())
	}
	return out.output().values(), nil
}

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
	lines                []*lineLogger
	started              bool // the command got so far that its output belongs into an error
}

type stream struct {
	capture *capture
	buffer  *bytes.Buffer
	lines   *lineLogger
}

func newCapture(log logger, level *string) *capture {
	c := &capture{}
	c.out = stream{capture: c, buffer: &c.stdout}
	c.err = stream{capture: c, buffer: &c.stderr}
	for name, target := range map[string]*stream{"stdout": &c.out, "stderr": &c.err} {
		if level == nil || *level == name || *level == "stdoutAndStderr" {
			target.lines = newLineLogger(log)
			c.lines = append(c.lines, target.lines)
		}
	}
	return c
}

func (s *stream) Write(text []byte) (int, error) {
	s.capture.mu.Lock()
	s.buffer.Write(text)
	s.capture.both.Write(text)
	s.capture.mu.Unlock()
	if s.lines != nil {
		s.lines.write(text)
	}
	return len(text), nil
}

func (c *capture) close() {
	for _, lines := range c.lines {
		lines.close()
	}
}

func (c *capture) output() commandOutput {
	clean := func(b *bytes.Buffer) string {
		return strings.ToValidUTF8(strings.TrimSuffix(b.String(), "\n"), "\uFFFD")
	}
	return commandOutput{stdout: clean(&c.stdout), stderr: clean(&c.stderr)}
}
