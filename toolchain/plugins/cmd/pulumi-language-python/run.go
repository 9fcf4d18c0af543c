package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// shownToUser is the exit code by which the executor says that the user has seen the error already.
const shownToUser = 32

// Run runs a program to its end. What the program prints goes to our own stdout and stderr, which the engine reads.
func (h *host) Run(ctx context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	if request.AttachDebugger {
		return &pulumirpc.RunResponse{Error: "this Python language host can't attach a debugger: leave --attach-debugger out"}, nil
	}
	python, err := findInterpreter(request.Info)
	if err != nil {
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	values := request.Config
	if values == nil {
		values = map[string]string{} // the executor can't read a null
	}
	config, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encoding the configuration: %w", err)
	}
	secretKeys, err := json.Marshal(append([]string{}, request.ConfigSecretKeys...))
	if err != nil {
		return nil, fmt.Errorf("encoding the configuration's secret keys: %w", err)
	}
	// The program goes when the engine cancels, and when the engine has gone: its call ends then.
	running, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(h.ctx, stop)()
	cmd := python.command(running, append([]string{h.executor}, h.arguments(request)...)...)
	cmd.Env = append(cmd.Env, "PULUMI_CONFIG="+string(config), "PULUMI_CONFIG_SECRET_KEYS="+string(secretKeys))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// An interrupt, as from the keyboard: a program that has no answer to it shows Python's traceback.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second

	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == shownToUser:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program exited with non-zero exit code: %d", exit.ExitCode())}, nil
	}
	return &pulumirpc.RunResponse{Error: "problem executing program (could not run language executor): " + err.Error()}, nil
}

// arguments is the executor's command line.
func (h *host) arguments(request *pulumirpc.RunRequest) []string {
	var args []string
	for _, option := range [][2]string{
		{"--monitor", request.MonitorAddress},
		{"--engine", h.engine},
		{"--project", request.Project},
		{"--root_directory", request.Info.GetRootDirectory()},
		{"--stack", request.Stack},
		{"--pwd", request.Pwd},
		{"--organization", request.Organization},
		{"--dry_run", strconv.FormatBool(request.DryRun)},
		{"--parallel", strconv.Itoa(int(request.Parallel))},
	} {
		if option[1] != "" {
			args = append(args, option[0], option[1])
		}
	}
	return append(append(args, request.Info.GetEntryPoint()), request.Args...)
}
