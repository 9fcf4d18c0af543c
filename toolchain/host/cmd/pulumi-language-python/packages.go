package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// pluginFile is what a Pulumi package's pulumi-plugin.json says.
type pluginFile struct {
	Resource bool   `json:"resource"`
	Name     string `json:"name"`
	Version  string `json:"version"`
	Server   string `json:"server"`
}

// GetRequiredPackages lists the plugins of the installed Pulumi packages that are here. One that isn't is left out:
// it may never be used, and the engine says so itself when a resource needs it.
func (h *host) GetRequiredPackages(
	ctx context.Context, request *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	python, err := findInterpreter(request.Info)
	if err != nil {
		return nil, err
	}
	directories, err := python.sitePackages(ctx)
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetRequiredPackagesResponse{}
	for _, directory := range directories {
		files, err := filepath.Glob(filepath.Join(directory, "*", "pulumi-plugin.json"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			plugin, err := readPluginFile(file)
			if err != nil {
				return nil, err
			}
			if plugin.Resource && plugin.installed() {
				response.Packages = append(response.Packages, &pulumirpc.PackageDependency{
					Kind: "resource", Name: plugin.Name, Version: plugin.Version, Server: plugin.Server,
				})
			}
		}
	}
	return response, nil
}

func readPluginFile(path string) (pluginFile, error) {
	plugin := pluginFile{}
	content, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(content, &plugin)
	}
	if plugin.Name == "" {
		plugin.Name = strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "pulumi_")
	}
	plugin.Version = strings.TrimPrefix(plugin.Version, "v")
	return plugin, err
}

func (p pluginFile) installed() bool {
	if _, err := exec.LookPath("pulumi-resource-" + p.Name); err == nil {
		return true
	}
	home := os.Getenv("PULUMI_HOME")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return false
		}
		home = filepath.Join(user, ".pulumi")
	}
	_, err := os.Stat(filepath.Join(home, "plugins", "resource-"+p.Name+"-v"+p.Version))
	return err == nil
}

// distribution is one installed Python package.
type distribution struct {
	name, version string
	requires      []string // normalized names, extras left out
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
	directories, err := python.sitePackages(ctx)
	if err != nil {
		return nil, err
	}
	var installed []distribution
	required := map[string]bool{}
	for _, directory := range directories {
		files, err := filepath.Glob(filepath.Join(directory, "*.dist-info", "METADATA"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			found, err := readMetadata(file)
			if err != nil {
				return nil, err
			}
			installed = append(installed, found)
			for _, name := range found.requires {
				required[name] = true
			}
		}
	}
	slices.SortFunc(installed, func(a, b distribution) int { return cmp.Compare(a.name, b.name) })
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, found := range installed {
		if request.TransitiveDependencies || !required[normalize(found.name)] {
			response.Dependencies = append(response.Dependencies,
				&pulumirpc.DependencyInfo{Name: found.name, Version: found.version})
		}
	}
	return response, nil
}

var requirementName = regexp.MustCompile(`^[A-Za-z0-9._-]+`)

// readMetadata reads the header of a METADATA file (Core Metadata, PEP 566).
func readMetadata(path string) (distribution, error) {
	found := distribution{}
	file, err := os.Open(path)
	if err != nil {
		return found, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() && lines.Text() != "" {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "Name":
			found.name = value
		case "Version":
			found.version = value
		case "Requires-Dist":
			if !strings.Contains(value, "extra ==") {
				found.requires = append(found.requires, normalize(requirementName.FindString(value)))
			}
		}
	}
	return found, lines.Err()
}

// normalize is PEP 503's normal form of a package name.
func normalize(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
}
