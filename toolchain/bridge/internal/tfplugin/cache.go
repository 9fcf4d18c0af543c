package tfplugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tandem.local/toolchain/bridge/internal/tfschema"
	"tandem.local/toolchain/bridge/internal/wire"
)

// ProviderSchema is the cached schema of the provider's own configuration.
const ProviderSchema = "provider"

// ResourceSchema names the cached schema of a resource type.
func ResourceSchema(name string) string { return "resource." + name }

// DataSchema names the cached schema of a data source.
func DataSchema(name string) string { return "data." + name }

// SaveSchemas writes, for each wanted name, the provider's schema into dir, one file each, so that a bridge reads only
// what it needs and without starting the provider. It writes a file "plan-destroy" if the provider plans destruction.
func (c *Client) SaveSchemas(ctx context.Context, dir string, wanted map[string]bool) error {
	var diagnostics Diagnostics
	saved := map[string]bool{}
	save := func(name string, schema []byte) error {
		if !wanted[name] {
			return nil
		}
		saved[name] = true
		return os.WriteFile(filepath.Join(dir, name), schema, 0o644)
	}
	entry := func(message []byte, named func(string) string) error {
		var key string
		var schema []byte
		err := wire.Each(message, func(f wire.Field) error {
			switch f.Number {
			case 1:
				key = string(f.Bytes)
			case 2:
				schema = f.Bytes
			}
			return nil
		})
		if err != nil {
			return err
		}
		return save(named(key), schema)
	}
	err := c.call(ctx, "GetSchema", "GetProviderSchema", nil, func(f wire.Field) error {
		switch f.Number {
		case 1:
			return save(ProviderSchema, f.Bytes)
		case 2:
			return entry(f.Bytes, ResourceSchema)
		case 3:
			return entry(f.Bytes, DataSchema)
		case 4:
			return diagnostics.decode(f.Bytes)
		case 6:
			return wire.Each(f.Bytes, func(capability wire.Field) error {
				if capability.Number == 1 && capability.Bool() {
					return os.WriteFile(filepath.Join(dir, "plan-destroy"), nil, 0o644)
				}
				return nil
			})
		}
		return nil
	})
	if err = errors.Join(err, diagnostics.Err()); err != nil {
		return err
	}
	for name := range wanted {
		if !saved[name] {
			return fmt.Errorf("the provider has no %s, which the mapping names", name)
		}
	}
	return nil
}

// LoadSchema reads one saved schema.
func LoadSchema(dir, name string) (*tfschema.Schema, error) {
	message, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("the schema of %s is not there (%w): build the toolchain again with "+
			"`python -m toolchain ensure`", name, err)
	}
	return tfschema.Decode(message)
}

// PlansDestroy tells whether the provider of the saved schemas wants to plan a destruction before it does it.
func PlansDestroy(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "plan-destroy"))
	return err == nil
}
