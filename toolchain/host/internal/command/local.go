package command

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/host/internal/serve"
	"tandem.local/toolchain/host/internal/wire"
)

// stopGrace is how long a command that was told to stop may take before it is killed.
const stopGrace = 10 * time.Second

// local runs commands on this machine.
type local struct{}

func (local) check(_ *structpb.Struct, properties commandProperties) []*pulumirpc.CheckFailure {
	if len(properties.AssetPaths)+len(properties.Archives) > 0 {
		return failed("assetPaths", "the command plugin built here returns no assets or archives: leave assetPaths and "+
			"archivePaths out, or use the official plugin")
	}
	return nil
}

func (local) run(ctx context.Context, _ task, properties commandProperties, command string, out *capture) error {
	args := properties.Interpreter
	if len(args) == 0 {
		args = []string{"/bin/sh", "-c"}
	}
	args = append(append([]string{}, args...), command)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // running the user's command is the job
	cmd.Dir = properties.Dir
	cmd.Env = os.Environ()
	for _, extra := range []map[string]string{properties.Environment, properties.previousOutput()} {
		for name, value := range extra {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	if properties.Stdin != "" {
		cmd.Stdin = strings.NewReader(properties.Stdin)
	}
	cmd.Stdout, cmd.Stderr = &out.out, &out.err
	cmd.SysProcAttr = serve.ChildAttributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace

	out.started = true
	// The parent-death signal comes when the thread that started the command ends: keep this one.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whoever ignored the request to stop
	}
	return err
}

// invokeRun is the function command:local:run: a command at once, without a resource.
func invokeRun(
	ctx context.Context, task task, args *structpb.Struct,
) (*structpb.Struct, []*pulumirpc.CheckFailure, error) {
	run := commands{kind: local{}}
	if args.GetFields()["command"] == nil {
		return nil, failed("command", "is required: the command to run"), nil
	}
	if failures := run.check(args); len(failures) > 0 {
		return nil, failures, nil
	}
	inputs := merge(args, map[string]*structpb.Value{"create": args.Fields["command"]})
	outputs, err := run.create(ctx, task, inputs)
	if err != nil {
		return nil, nil, err
	}
	if wire.HasSecrets(args.Fields["command"]) {
		for name := range outputs {
			outputs[name] = wire.Secret(outputs[name])
		}
	}
	return merge(args, outputs), nil, nil
}
