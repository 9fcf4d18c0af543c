package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

func newHost() *host {
	h := &host{engine: "engine:1", executor: "/executor"}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

func TestRunPassesWhatTheExecutorNeedsAndReadsItsExitCode(t *testing.T) {
	for _, test := range []struct {
		script string
		bail   bool
		error  string
	}{
		{`exit 0`, false, ""},
		{`exit 32`, true, ""},
		{`exit 5`, false, "program exited with non-zero exit code: 5"},
		{`kill -9 $$`, false, "program exited with non-zero exit code: -1"},
		{`[ "$*" = "/executor --monitor monitor:2 --engine engine:1 --project p --root_directory ROOT --stack s ` +
			`--pwd ROOT --organization o --dry_run true --parallel 7 . arg" ]`, false, ""},
		{`[ "$PULUMI_CONFIG/$PULUMI_CONFIG_SECRET_KEYS" = '{"p:a":"b"}/["p:a"]' ]`, false, ""},
	} {
		info := project(t, "", map[string]any{"virtualenv": "venv"})
		script := strings.ReplaceAll(test.script, "ROOT", info.RootDirectory)
		write(t, filepath.Join(info.RootDirectory, "venv", "bin", "python"), "#!/bin/sh\n"+script)
		response, err := newHost().Run(context.Background(), &pulumirpc.RunRequest{
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

// The program, and nobody else, gets the signal of the keyboard: Python makes a traceback of it unless told otherwise.
func TestACancelInterruptsTheProgram(t *testing.T) {
	info := project(t, `trap 'exit 7' INT; trap 'exit 8' TERM; : >began; while :; do sleep 0.05; done`,
		map[string]any{"virtualenv": "venv"})
	t.Chdir(info.RootDirectory)
	h := newHost()
	answered := make(chan *pulumirpc.RunResponse, 1)
	go func() {
		response, _ := h.Run(context.Background(), &pulumirpc.RunRequest{Info: info, Pwd: info.RootDirectory})
		answered <- response
	}()
	for {
		if _, err := os.Stat(filepath.Join(info.RootDirectory, "began")); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	_, err := h.Cancel(context.Background(), nil)
	must(t, err)
	if response := <-answered; !strings.HasSuffix(response.GetError(), "exit code: 7") {
		t.Errorf("response %v", response)
	}
}

// pip and the search for plugins, as a shell script that stands in for Python.
const environmentWithPip = `case "$*" in
  "-m pip list --format json") echo '[{"name": "Pulumi_Here", "version": "9"}, {"name": "pulumi-bare", "version": "2.1"},
    {"name": "pulumi-none", "version": "3"}, {"name": "pulumi-alpha", "version": "1.0a1"}, {"name": "other", "version": "4"}]' ;;
  "-m pip list --format json --not-required") echo '[{"name": "Pulumi_Here", "version": "9"}]' ;;
  -c*) echo "{\"pulumi-here\": \"$PWD/here.json\", \"pulumi-none\": \"$PWD/none.json\"}" ;;
esac`

func TestRequiredPackagesAreThoseThatPipLists(t *testing.T) {
	info := project(t, environmentWithPip, map[string]any{"virtualenv": "venv"})
	t.Chdir(info.RootDirectory)
	write(t, "here.json", `{"resource": true, "name": "here", "version": "1.2.3"}`)
	write(t, "none.json", `{"resource": false, "name": "none"}`)
	response, err := newHost().GetRequiredPackages(context.Background(), &pulumirpc.GetRequiredPackagesRequest{Info: info})
	must(t, err)
	var got []string
	for _, plugin := range response.Packages {
		got = append(got, plugin.Name+"="+plugin.Version)
	}
	if strings.Join(got, " ") != "here=v1.2.3 bare=v2.1.0" {
		t.Errorf("packages %v", got)
	}
}

func TestWithoutPipNothingRuns(t *testing.T) {
	info := project(t, "exit 1", map[string]any{"virtualenv": "venv"})
	_, err := newHost().GetRequiredPackages(context.Background(), &pulumirpc.GetRequiredPackagesRequest{Info: info})
	if err == nil || !strings.Contains(err.Error(), "-m pip list --format json`: exit status 1") {
		t.Errorf("error %v", err)
	}
}

func TestDependenciesAreThoseThatPipLists(t *testing.T) {
	info := project(t, environmentWithPip, map[string]any{"virtualenv": "venv"})
	for transitive, want := range map[bool]int{false: 1, true: 5} {
		response, err := newHost().GetProgramDependencies(context.Background(), &pulumirpc.GetProgramDependenciesRequest{
			Info: info, TransitiveDependencies: transitive,
		})
		must(t, err)
		if len(response.Dependencies) != want || response.Dependencies[0].Name != "pulumi-here" {
			t.Errorf("transitive %v: %v", transitive, response.Dependencies)
		}
	}
}
