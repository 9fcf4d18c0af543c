package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// distribution is one installed Python package, as pip names it.
type distribution struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// installed asks the environment's own pip, as the official host does: without pip there, nothing runs.
func (i interpreter) installed(ctx context.Context, transitive bool) ([]distribution, error) {
	args := []string{"-m", "pip", "list", "--format", "json"}
	if !transitive {
		args = append(args, "--not-required")
	}
	cmd := i.command(ctx, args...)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("calling `%s`: %w", strings.Join(cmd.Args, " "), err)
	}
	var found []distribution
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("parsing the output of `%s`: %w", strings.Join(cmd.Args, " "), err)
	}
	for n := range found {
		found[n].Name = normalize(found[n].Name)
	}
	return found, nil
}

// pluginFile is what a Pulumi package's pulumi-plugin.json says.
type pluginFile struct {
	Resource bool   `json:"resource"`
	Name     string `json:"name"`
	Version  string `json:"version"`
	Server   string `json:"server"`
}

//go:embed plugin_files.py
var pluginFiles string

// GetRequiredPackages lists the plugins of the installed Pulumi packages, used or not, here or not.
func (h *host) GetRequiredPackages(
	ctx context.Context, request *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	python, err := findInterpreter(request.Info)
	if err != nil {
		return nil, err
	}
	installed, err := python.installed(ctx, true)
	if err != nil {
		return nil, err
	}
	files, err := python.pluginFiles(ctx, installed)
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetRequiredPackagesResponse{}
	for _, found := range installed {
		plugin, err := pluginOf(found, files[found.Name])
		if err != nil {
			return nil, err
		}
		if plugin != nil {
			response.Packages = append(response.Packages, plugin)
		}
	}
	return response, nil
}

// pluginFiles returns the path of each package's pulumi-plugin.json.
func (i interpreter) pluginFiles(ctx context.Context, installed []distribution) (map[string]string, error) {
	args := []string{"-c", pluginFiles}
	for _, found := range installed {
		args = append(args, found.Name)
	}
	out, err := i.command(ctx, args...).Output()
	if err != nil {
		return nil, fmt.Errorf("asking %s for the plugins of its packages: %w", i.python, err)
	}
	var files map[string]string
	if err := json.Unmarshal(out, &files); err != nil {
		return nil, fmt.Errorf("asking %s for the plugins of its packages: %w", i.python, err)
	}
	return files, nil
}

var release = regexp.MustCompile(`^\d+(\.\d+)*$`)

// pluginOf is the plugin that a package wants: one that its pulumi-plugin.json names or, without such a file, one that
// is named as a package that begins with "pulumi-"; nil for none.
func pluginOf(found distribution, path string) (*pulumirpc.PackageDependency, error) {
	plugin := pluginFile{Resource: true}
	switch {
	case path != "":
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		plugin = pluginFile{}
		if err := json.Unmarshal(content, &plugin); err != nil {
			return nil, fmt.Errorf("failed to parse pulumi-plugin.json for %s: %w", found.Name, err)
		}
	case !strings.HasPrefix(found.Name, "pulumi-") || found.Name == "pulumi-policy" || found.Name == "pulumi-esc-sdk":
		return nil, nil
	}
	if plugin.Name == "" {
		plugin.Name = strings.TrimPrefix(found.Name, "pulumi-")
	}
	if plugin.Version == "" {
		if !release.MatchString(found.Version) {
			return nil, nil // a pre-release does not say which plugin it wants
		}
		plugin.Version = found.Version + strings.Repeat(".0", max(0, 2-strings.Count(found.Version, ".")))
	}
	if !plugin.Resource {
		return nil, nil
	}
	return &pulumirpc.PackageDependency{
		Kind: "resource", Name: plugin.Name, Version: "v" + strings.TrimPrefix(plugin.Version, "v"), Server: plugin.Server,
	}, nil
}

// GetProgramDependencies lists the installed Python packages; only those that no other one requires, unless the
// request wants the transitive ones too.
func (h *host) GetProgramDependencies(
	ctx context.Context, request *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	python, err := findInterpreter(request.Info)
	if err != nil {
		return nil, err
	}
	installed, err := python.installed(ctx, request.TransitiveDependencies)
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, found := range installed {
		response.Dependencies = append(response.Dependencies,
			&pulumirpc.DependencyInfo{Name: found.Name, Version: found.Version})
	}
	return response, nil
}

// normalize is PEP 503's normal form of a package name.
func normalize(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
}
