package command

import (
	"context"
	"os"
	"os/exec"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/host/internal/wire"
)

// local runs commands on this machine.
type local struct{}

func (local) check(*structpb.Struct) []*pulumirpc.CheckFailure { return nil }

// run runs a command; when it has to stop it is killed, alone, and what it started keeps its output open.
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
	out.started = true
	return cmd.Run()
}

// results are the files that assetPaths and archivePaths name.
func (local) results(properties commandProperties) (map[string]*structpb.Value, error) {
	results := map[string]*structpb.Value{}
	if properties.AssetPaths == nil && properties.Archives == nil {
		return results, nil
	}
	directory := properties.Dir
	if directory == "" {
		working, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		directory = working
	}
	if properties.AssetPaths != nil {
		found, err := assets(directory, *properties.AssetPaths)
		if err != nil {
			return nil, err
		}
		results["assets"] = structpb.NewStructValue(&structpb.Struct{Fields: found})
	}
	if properties.Archives != nil {
		found, err := assets(directory, *properties.Archives)
		if err != nil {
			return nil, err
		}
		results["archive"] = wire.Archive(found)
	}
	return results, nil
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
