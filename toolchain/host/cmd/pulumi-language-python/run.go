package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"tandem.local/toolchain/host/internal/serve"
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
	cmd := python.command(ctx, append([]string{"-u", h.executor}, h.arguments(request)...)...)
	cmd.Env = append(cmd.Env, "PULUMI_CONFIG="+string(config), "PULUMI_CONFIG_SECRET_KEYS="+string(secretKeys))
	cmd.Dir = request.Pwd
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// A process group of its own: the engine interrupts ours, and Python answers an interrupt with a traceback.
	cmd.SysProcAttr = serve.ChildAttributes()
	cmd.Cancel = func() error { return terminate(cmd.Process) }
	cmd.WaitDelay = 5 * time.Second

	err = h.wait(cmd)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == shownToUser:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("Program exited with non-zero exit code: %d", exit.ExitCode())}, nil
	case errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: "Program exited unexpectedly: " + exit.String()}, nil
	}
	return &pulumirpc.RunResponse{Error: "Problem executing program (could not run language executor): " + err.Error()}, nil
}

// wait runs cmd on a thread of its own: the parent-death signal comes when the thread that started it ends.
func (h *host) wait(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return err
	}
	h.mu.Lock()
	h.programs[cmd.Process] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.programs, cmd.Process)
		h.mu.Unlock()
	}()
	return cmd.Wait()
}

// terminate asks a program, and what it started, to end.
func terminate(process *os.Process) error { return syscall.Kill(-process.Pid, syscall.SIGTERM) }

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
	program := request.Info.GetProgramDirectory()
	if entry := request.Info.GetEntryPoint(); entry != "" && entry != "." {
		program = filepath.Join(program, entry)
	}
	return append(append(args, program), request.Args...)
}
