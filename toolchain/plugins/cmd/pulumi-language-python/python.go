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

// interpreter is the Python that runs a program; venv is empty when the project names no virtual environment.
type interpreter struct {
	python, venv string
}

// findInterpreter honours the runtime options of Pulumi.yaml: `virtualenv` (relative to the project's root) and
// `toolchain` (`pip`, or `uv`, which means the virtual environment .venv unless one is named).
func findInterpreter(info *pulumirpc.ProgramInfo) (interpreter, error) {
	options := info.GetOptions().GetFields()
	venv := options["virtualenv"].GetStringValue()
	switch toolchain := options["toolchain"].GetStringValue(); toolchain {
	case "", "pip":
	case "uv":
		if venv == "" {
			venv = ".venv"
		}
	default:
		return interpreter{}, fmt.Errorf(
			"this Python language host knows the toolchains pip and uv, not %q: set runtime.options.toolchain "+
				"in Pulumi.yaml to one of them", toolchain)
	}
	if venv == "" {
		return systemPython()
	}
	if !filepath.IsAbs(venv) {
		venv = filepath.Join(info.GetRootDirectory(), venv)
	}
	python := filepath.Join(venv, "bin", "python")
	if _, err := os.Stat(python); err != nil {
		return interpreter{}, fmt.Errorf(
			"the virtual environment %s, named by runtime.options.virtualenv in Pulumi.yaml, has no bin/python: "+
				"create it and install the project's packages in it (`pulumi install` does both)", venv)
	}
	return interpreter{python: python, venv: venv}, nil
}

func systemPython() (interpreter, error) {
	names := []string{"python3", "python"}
	if chosen := os.Getenv("PULUMI_PYTHON_CMD"); chosen != "" {
		names = []string{chosen}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return interpreter{python: path}, nil
		}
	}
	return interpreter{}, fmt.Errorf("no %s on PATH: install Python 3.11 or newer, or name a virtual environment "+
		"with runtime.options.virtualenv in Pulumi.yaml", strings.Join(names, " or "))
}

// command returns a command of this Python, in its virtual environment.
func (i interpreter) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, i.python, args...) //nolint:gosec // running the project's Python is the job
	cmd.Env = i.environment(os.Environ())
	return cmd
}

// environment adds to base what `source bin/activate` would set.
func (i interpreter) environment(base []string) []string {
	if i.venv == "" {
		return base
	}
	env := make([]string, 0, len(base)+2)
	path := filepath.Join(i.venv, "bin")
	for _, entry := range base {
		name, value, _ := strings.Cut(entry, "=")
		switch name {
		case "PYTHONHOME", "VIRTUAL_ENV":
		case "PATH":
			path += string(os.PathListSeparator) + value
		default:
			env = append(env, entry)
		}
	}
	return append(env, "VIRTUAL_ENV="+i.venv, "PATH="+path)
}
