// Package change works out what a new configuration means for an existing state.
package change

import (
	"github.com/zclconf/go-cty/cty"

	"tandem.local/toolchain/bridge/internal/tfschema"
)

// Proposed merges the configuration into the prior state: what is set wins, and what only the provider can know
// (computed and not set) is kept. This is the proposal that Terraform's protocol wants with a plan.
func Proposed(block *tfschema.Block, prior, config cty.Value) cty.Value {
	if config.IsNull() || !config.IsKnown() {
		return config
	}
	if prior.IsNull() {
		prior = block.Empty()
	}
	values := make(map[string]cty.Value, len(block.Attributes)+len(block.Blocks))
	for _, attribute := range block.Attributes {
		values[attribute.Name] = config.GetAttr(attribute.Name)
		if attribute.Computed && values[attribute.Name].IsNull() {
			values[attribute.Name] = prior.GetAttr(attribute.Name)
		}
	}
	for _, nested := range block.Blocks {
		values[nested.Name] = proposedBlocks(nested, prior.GetAttr(nested.Name), config.GetAttr(nested.Name))
	}
	return cty.ObjectVal(values)
}

func proposedBlocks(nested *tfschema.NestedBlock, prior, config cty.Value) cty.Value {
	if config.IsNull() || !config.IsKnown() {
		return config
	}
	if nested.Nesting == tfschema.Single || nested.Nesting == tfschema.Group {
		return Proposed(nested.Block, prior, config)
	}
	if config.LengthInt() == 0 {
		return config
	}
	if prior.IsNull() || !prior.IsKnown() {
		prior = nested.Empty()
	}
	switch nested.Nesting {
	case tfschema.List:
		return cty.ListVal(proposedList(nested.Block, prior.AsValueSlice(), config.AsValueSlice()))
	case tfschema.Set:
		return cty.SetVal(proposedSet(nested.Block, prior.AsValueSlice(), config.AsValueSlice()))
	default:
		before, values := prior.AsValueMap(), map[string]cty.Value{}
		for key, element := range config.AsValueMap() {
			old, found := before[key]
			if !found {
				old = cty.NullVal(nested.Block.Type())
			}
			values[key] = Proposed(nested.Block, old, element)
		}
		return cty.MapVal(values)
	}
}

func proposedList(block *tfschema.Block, prior, config []cty.Value) []cty.Value {
	values := make([]cty.Value, len(config))
	for i, element := range config {
		old := cty.NullVal(block.Type())
		if i < len(prior) {
			old = prior[i]
		}
		values[i] = Proposed(block, old, element)
	}
	return values
}

// proposedSet pairs elements that agree in everything the configuration says: a set has no other identity.
func proposedSet(block *tfschema.Block, prior, config []cty.Value) []cty.Value {
	used := make([]bool, len(prior))
	values := make([]cty.Value, len(config))
	for i, element := range config {
		values[i] = Proposed(block, cty.NullVal(block.Type()), element)
		for j, old := range prior {
			if merged := Proposed(block, old, element); !used[j] && merged.RawEquals(old) {
				used[j], values[i] = true, merged
				break
			}
		}
	}
	return values
}

// Unplanned is the state that a creation leads to as far as the schema tells it: what is computed is unknown. It
// stands in for the provider's own plan where a preview is to do without starting the provider.
func Unplanned(block *tfschema.Block, config cty.Value) cty.Value {
	if config.IsNull() || !config.IsKnown() {
		return config
	}
	values := make(map[string]cty.Value, len(block.Attributes)+len(block.Blocks))
	for _, attribute := range block.Attributes {
		values[attribute.Name] = config.GetAttr(attribute.Name)
		if attribute.Computed && values[attribute.Name].IsNull() {
			values[attribute.Name] = cty.UnknownVal(attribute.Type)
		}
	}
	for _, nested := range block.Blocks {
		values[nested.Name] = unplannedBlocks(nested, config.GetAttr(nested.Name))
	}
	return cty.ObjectVal(values)
}

func unplannedBlocks(nested *tfschema.NestedBlock, config cty.Value) cty.Value {
	switch {
	case config.IsNull() || !config.IsKnown():
		return config
	case nested.Nesting == tfschema.Single || nested.Nesting == tfschema.Group:
		return Unplanned(nested.Block, config)
	case config.LengthInt() == 0:
		return config
	case nested.Nesting == tfschema.Map:
		values := map[string]cty.Value{}
		for key, element := range config.AsValueMap() {
			values[key] = Unplanned(nested.Block, element)
		}
		return cty.MapVal(values)
	}
	var values []cty.Value
	for _, element := range config.AsValueSlice() {
		values = append(values, Unplanned(nested.Block, element))
	}
	if nested.Nesting == tfschema.Set {
		return cty.SetVal(values)
	}
	return cty.ListVal(values)
}
