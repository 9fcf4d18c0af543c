package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// About says which Python runs the programs.
func (h *host) About(ctx context.Context, request *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	python, err := findInterpreter(request.Info)
	if err != nil {
		return nil, err
	}
	out, err := python.command(ctx, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("asking %s for its version: %w", python.python, err)
	}
	return &pulumirpc.AboutResponse{
		Executable: python.python,
		Version:    strings.TrimPrefix(strings.TrimSpace(string(out)), "Python "),
	}, nil
}

// InstallDependencies makes the virtual environment that Pulumi.yaml names, if it is missing, and installs
// requirements.txt into it: `pulumi install`.
func (h *host) InstallDependencies(
	request *pulumirpc.InstallDependenciesRequest, stream pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	ctx := stream.Context()
	python, err := findInterpreter(request.Info)
	if err != nil {
		if python, err = makeVenv(ctx, request.Info, stream); err != nil {
			return err
		}
	}
	requirements := filepath.Join(request.Info.GetProgramDirectory(), "requirements.txt")
	if _, err := os.Stat(requirements); err != nil {
		return stream.Send(&pulumirpc.InstallDependenciesResponse{
			Stdout: []byte("No requirements.txt, nothing to install\n"),
		})
	}
	return streamed(stream, python.command(ctx, "-m", "pip", "install", "-r", requirements))
}

func makeVenv(
	ctx context.Context, info *pulumirpc.ProgramInfo, stream pulumirpc.LanguageRuntime_InstallDependenciesServer,
) (interpreter, error) {
	venv := info.GetOptions().GetFields()["virtualenv"].GetStringValue()
	if venv == "" {
		return interpreter{}, fmt.Errorf("no virtual environment to make: set runtime.options.virtualenv in Pulumi.yaml")
	}
	if !filepath.IsAbs(venv) {
		venv = filepath.Join(info.GetRootDirectory(), venv)
	}
	system, err := systemPython()
	if err != nil {
		return interpreter{}, err
	}
	if err := streamed(stream, system.command(ctx, "-m", "venv", venv)); err != nil {
		return interpreter{}, err
	}
	return findInterpreter(info)
}

// streamed runs cmd and sends what it prints as it comes.
func streamed(stream pulumirpc.LanguageRuntime_InstallDependenciesServer, cmd *exec.Cmd) error {
	cmd.Stdout = sender(func(text []byte) error {
		return stream.Send(&pulumirpc.InstallDependenciesResponse{Stdout: text})
	})
	cmd.Stderr = cmd.Stdout // one writer, so that two goroutines never send at once
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s failed: %w", strings.Join(cmd.Args, " "), err)
	}
	return nil
}

type sender func([]byte) error

func (s sender) Write(text []byte) (int, error) { return len(text), s(append([]byte(nil), text...)) }
