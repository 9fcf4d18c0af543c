package shape

import (
	"encoding/json"
	"fmt"
)

// Mapping says which Pulumi types and functions a Terraform provider stands for: a file in providers/.
type Mapping struct {
	Name      string              `json:"name"`    // of the Pulumi package
	Version   string              `json:"version"` // of the Pulumi plugin that this stands in for
	Resources map[string]*Mapped  `json:"resources"`
	Functions map[string]*Mapped  `json:"functions"`
	Config    map[string]Override `json:"config"`
	// Secrets are configuration properties that are secret though the Terraform schema doesn't say so.
	Secrets []string `json:"secrets"`
	// Defaults fill in configuration that is not given, from the first of its environment variables that is set.
	Defaults map[string]Default `json:"defaults"`
	// PlanPreviews has the provider plan creations in previews; else the schema alone says what they lead to.
	PlanPreviews bool `json:"planPreviews"`
}

// Default is where a configuration property comes from when it is not given.
type Default struct {
	Env   []string `json:"env"`
	Value string   `json:"value"`
}

// Mapped is a resource type or a function.
type Mapped struct {
	Type                string              `json:"type"` // its name in Terraform
	Fields              map[string]Override `json:"fields"`
	Autoname            *Autoname           `json:"autoname"`
	DeleteBeforeReplace bool                `json:"deleteBeforeReplace"`
}

// Autoname makes up a name where none is given.
type Autoname struct {
	Property  string `json:"property"`
	MaxLength int    `json:"maxLength"`
	Separator string `json:"separator"`
}

// ParseMapping reads a mapping file.
func ParseMapping(text []byte) (*Mapping, error) {
	mapping := &Mapping{}
	if err := json.Unmarshal(text, mapping); err != nil {
		return nil, fmt.Errorf("mapping file: %w", err)
	}
	return mapping, nil
}
