package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(content), 0o700))
}

// project makes a project with a virtual environment "venv" whose python is a shell script.
func project(t *testing.T, script string, options map[string]any) *pulumirpc.ProgramInfo {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "venv", "bin", "python"), "#!/bin/sh\n"+script)
	fields, err := structpb.NewStruct(options)
	must(t, err)
	return &pulumirpc.ProgramInfo{RootDirectory: root, ProgramDirectory: root, EntryPoint: ".", Options: fields}
}

func TestVirtualenvOptionIsHonouredAndItsAbsenceExplained(t *testing.T) {
	info := project(t, "exit 0", map[string]any{"virtualenv": "venv"})
	python, err := findInterpreter(info)
	must(t, err)
	if python.python != filepath.Join(info.RootDirectory, "venv", "bin", "python") {
		t.Errorf("python %s", python.python)
	}
	env := python.environment([]string{"PATH=/bin", "PYTHONHOME=/x", "A=b"})
	want := "A=b VIRTUAL_ENV=" + python.venv + " PATH=" + python.venv + "/bin:/bin"
	if got := strings.Join(env, " "); got != want {
		t.Errorf("environment %q, want %q", got, want)
	}
	info.Options.Fields["virtualenv"] = structpb.NewStringValue("missing")
	if _, err := findInterpreter(info); err == nil || !strings.Contains(err.Error(), "pulumi install") {
		t.Errorf("error %v names no remedy", err)
	}
	info.Options.Fields["toolchain"] = structpb.NewStringValue("poetry")
	if _, err := findInterpreter(info); err == nil || !strings.Contains(err.Error(), "runtime.options.toolchain") {
		t.Errorf("error %v names no setting", err)
	}
}

func TestRunPassesWhatTheExecutorNeedsAndReadsItsExitCode(t *testing.T) {
	h := &host{engine: "engine:1", executor: "/executor", programs: map[*os.Process]struct{}{}}
	for _, test := range []struct {
		script string
		bail   bool
		error  string
	}{
		{`exit 0`, false, ""},
		{`exit 32`, true, ""},
		{`exit 5`, false, "Program exited with non-zero exit code: 5"},
		{`kill -9 $$`, false, "Program exited unexpectedly: signal: killed"},
		{`[ "$*" = "-u /executor --monitor monitor:2 --engine engine:1 --project p --root_directory $PWD --stack s ` +
			`--pwd $PWD --organization o --dry_run true --parallel 7 $PWD arg" ]`, false, ""},
		{`[ "$PULUMI_CONFIG/$PULUMI_CONFIG_SECRET_KEYS" = '{"p:a":"b"}/["p:a"]' ]`, false, ""},
	} {
		info := project(t, test.script, map[string]any{"virtualenv": "venv"})
		response, err := h.Run(context.Background(), &pulumirpc.RunRequest{
			Info: info, Pwd: info.RootDirectory, MonitorAddress: "monitor:2", Project: "p", Stack: "s", Organization: "o",
			DryRun: true, Parallel: 7, Args: []string{"arg"},
			Config: map[string]string{"p:a": "b"}, ConfigSecretKeys: []string{"p:a"},
		})
		must(t, err)
		if response.Bail != test.bail || response.Error != test.error {
			t.Errorf("%s: %v", test.script, response)
		}
	}
}

func TestRequiredPackagesAreThoseInstalledThatHaveTheirPluginHere(t *testing.T) {
	info := project(t, "exit 1", map[string]any{"virtualenv": "venv"})
	packages := filepath.Join(info.RootDirectory, "venv", "lib", "python3.11", "site-packages")
	write(t, filepath.Join(packages, "pulumi_here", "pulumi-plugin.json"), `{"resource": true, "name": "here", "version": "1.2.3"}`)
	write(t, filepath.Join(packages, "pulumi_gone", "pulumi-plugin.json"), `{"resource": true, "name": "gone", "version": "1.2.3"}`)
	write(t, filepath.Join(packages, "pulumi_none", "pulumi-plugin.json"), `{"resource": false, "name": "none"}`)
	home := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(home, "plugins", "resource-here-v1.2.3"), 0o700))
	t.Setenv("PULUMI_HOME", home)
	response, err := (&host{}).GetRequiredPackages(context.Background(), &pulumirpc.GetRequiredPackagesRequest{Info: info})
	must(t, err)
	if len(response.Packages) != 1 || response.Packages[0].Name != "here" || response.Packages[0].Version != "1.2.3" {
		t.Errorf("packages %v", response.Packages)
	}
}

func TestDependenciesLeaveOutWhatAnotherPackageRequires(t *testing.T) {
	info := project(t, "exit 1", map[string]any{"virtualenv": "venv"})
	packages := filepath.Join(info.RootDirectory, "venv", "lib", "python3.11", "site-packages")
	write(t, filepath.Join(packages, "a-1.dist-info", "METADATA"), "Name: a\nVersion: 1\nRequires-Dist: B.b>=2\nRequires-Dist: c; extra == 'x'\n\nName: no\n")
	write(t, filepath.Join(packages, "b_b-2.dist-info", "METADATA"), "Name: b_b\nVersion: 2\n")
	write(t, filepath.Join(packages, "c-3.dist-info", "METADATA"), "Name: c\nVersion: 3\n")
	for transitive, want := range map[bool]string{false: "a=1 c=3", true: "a=1 b_b=2 c=3"} {
		response, err := (&host{}).GetProgramDependencies(context.Background(), &pulumirpc.GetProgramDependenciesRequest{
			Info: info, TransitiveDependencies: transitive,
		})
		must(t, err)
		var got []string
		for _, dependency := range response.Dependencies {
			got = append(got, dependency.Name+"="+dependency.Version)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("transitive %v: %q, want %q", transitive, got, want)
		}
	}
}
