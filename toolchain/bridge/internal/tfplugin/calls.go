package tfplugin

import (
	"context"
	"encoding/json"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"google.golang.org/protobuf/encoding/protowire"

	"tandem.local/toolchain/bridge/internal/wire"
)

// TerraformVersion is what the provider is told it talks to; some look at it for features.
const TerraformVersion = "1.9.0"

// State is a resource's state together with what the provider keeps beside it.
type State struct {
	Value   cty.Value
	Private []byte
}

// Plan is what a change would do.
type Plan struct {
	State
	RequiresReplace []cty.Path
}

// Validate checks the configuration of a resource or a data source; the provider need not be configured.
func (c *Client) Validate(ctx context.Context, data bool, name string, config cty.Value) (Diagnostics, error) {
	packed, err := dynamic(config, config.Type())
	if err != nil {
		return nil, err
	}
	var request wire.Message
	request.String(1, name)
	request.Bytes(2, packed)
	v5, v6 := "ValidateResourceTypeConfig", "ValidateResourceConfig"
	if data {
		v5, v6 = "ValidateDataSourceConfig", "ValidateDataResourceConfig"
	}
	var diagnostics Diagnostics
	err = c.call(ctx, v5, v6, request, func(f wire.Field) error {
		if f.Number == 1 {
			return diagnostics.decode(f.Bytes)
		}
		return nil
	})
	return diagnostics, err
}

// Configure validates the provider's configuration and hands it over.
func (c *Client) Configure(ctx context.Context, config cty.Value) (Diagnostics, error) {
	packed, err := dynamic(config, config.Type())
	if err != nil {
		return nil, err
	}
	var request wire.Message
	request.Bytes(1, packed)
	var diagnostics Diagnostics
	err = c.call(ctx, "PrepareProviderConfig", "ValidateProviderConfig", request, func(f wire.Field) error {
		if f.Number == 1 && len(f.Bytes) > 0 { // protocol 5: the configuration with its defaults filled in
			packed = wire.Message(f.Bytes)
		}
		if f.Number == 2 {
			return diagnostics.decode(f.Bytes)
		}
		return nil
	})
	if err != nil || diagnostics.Err() != nil {
		return diagnostics, err
	}
	request = nil
	request.String(1, TerraformVersion)
	request.Bytes(2, packed)
	err = c.call(ctx, "Configure", "ConfigureProvider", request, func(f wire.Field) error {
		if f.Number == 1 {
			return diagnostics.decode(f.Bytes)
		}
		return nil
	})
	return diagnostics, err
}

// Upgrade brings a state of an older schema version up to date.
func (c *Client) Upgrade(
	ctx context.Context, name string, version int64, state cty.Value, kind cty.Type,
) (cty.Value, Diagnostics, error) {
	raw, err := ctyjson.Marshal(state, state.Type())
	if err != nil {
		return cty.NilVal, nil, err
	}
	if raw, err = dropNulls(raw); err != nil {
		return cty.NilVal, nil, err
	}
	var rawState, request wire.Message
	rawState.Bytes(1, raw)
	request.String(1, name)
	request.Int(2, version)
	request.Bytes(3, rawState)
	upgraded, diagnostics := cty.NullVal(kind), Diagnostics(nil)
	err = c.call(ctx, "UpgradeResourceState", "UpgradeResourceState", request, func(f wire.Field) (err error) {
		switch f.Number {
		case 1:
			upgraded, err = fromDynamic(f.Bytes, kind)
		case 2:
			err = diagnostics.decode(f.Bytes)
		}
		return err
	})
	return upgraded, diagnostics, err
}

// dropNulls leaves out the top level's nulls: an attribute that is new in this version was not in the old state.
func dropNulls(raw []byte) ([]byte, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, err
	}
	for key, value := range object {
		if string(value) == "null" {
			delete(object, key)
		}
	}
	return json.Marshal(object)
}

// Read refreshes a state; a null value means that the resource is gone.
func (c *Client) Read(ctx context.Context, name string, state State) (State, Diagnostics, error) {
	kind := state.Value.Type()
	packed, err := dynamic(state.Value, kind)
	if err != nil {
		return State{}, nil, err
	}
	var request wire.Message
	request.String(1, name)
	request.Bytes(2, packed)
	request.Bytes(3, state.Private)
	fresh, diagnostics := State{Value: cty.NullVal(kind)}, Diagnostics(nil)
	err = c.call(ctx, "ReadResource", "ReadResource", request, func(f wire.Field) (err error) {
		switch f.Number {
		case 1:
			fresh.Value, err = fromDynamic(f.Bytes, kind)
		case 2:
			err = diagnostics.decode(f.Bytes)
		case 3:
			fresh.Private = f.Bytes
		}
		return err
	})
	return fresh, diagnostics, err
}

// Plan asks what it takes to go from prior to proposed.
func (c *Client) Plan(
	ctx context.Context, name string, prior State, proposed, config cty.Value,
) (Plan, Diagnostics, error) {
	kind := prior.Value.Type()
	request, err := change(name, kind, prior.Value, proposed, config, prior.Private)
	if err != nil {
		return Plan{}, nil, err
	}
	plan, diagnostics := Plan{State: State{Value: cty.NullVal(kind)}}, Diagnostics(nil)
	err = c.call(ctx, "PlanResourceChange", "PlanResourceChange", request, func(f wire.Field) (err error) {
		switch f.Number {
		case 1:
			plan.Value, err = fromDynamic(f.Bytes, kind)
		case 2:
			var path cty.Path
			path, err = decodePath(f.Bytes)
			plan.RequiresReplace = append(plan.RequiresReplace, path)
		case 3:
			plan.Private = f.Bytes
		case 4:
			err = diagnostics.decode(f.Bytes)
		}
		return err
	})
	return plan, diagnostics, err
}

// Apply carries out a plan. The state is meaningful also when the diagnostics hold an error.
func (c *Client) Apply(
	ctx context.Context, name string, prior cty.Value, plan State, config cty.Value,
) (State, Diagnostics, error) {
	kind := prior.Type()
	request, err := change(name, kind, prior, plan.Value, config, plan.Private)
	if err != nil {
		return State{}, nil, err
	}
	applied, diagnostics := State{Value: cty.NullVal(kind)}, Diagnostics(nil)
	err = c.call(ctx, "ApplyResourceChange", "ApplyResourceChange", request, func(f wire.Field) (err error) {
		switch f.Number {
		case 1:
			applied.Value, err = fromDynamic(f.Bytes, kind)
		case 2:
			applied.Private = f.Bytes
		case 3:
			err = diagnostics.decode(f.Bytes)
		}
		return err
	})
	return applied, diagnostics, err
}

// change is the request that planning and applying have in common.
func change(
	name string, kind cty.Type, prior, next, config cty.Value, private []byte,
) (wire.Message, error) {
	var request wire.Message
	request.String(1, name)
	for i, value := range []cty.Value{prior, next, config} {
		packed, err := dynamic(value, kind)
		if err != nil {
			return nil, err
		}
		request.Bytes(protowire.Number(i+2), packed)
	}
	request.Bytes(5, private)
	return request, nil
}

// Import finds an existing resource by its id; a null value means that there is none.
func (c *Client) Import(ctx context.Context, name, id string, kind cty.Type) (State, Diagnostics, error) {
	var request wire.Message
	request.String(1, name)
	request.String(2, id)
	found, diagnostics := State{Value: cty.NullVal(kind)}, Diagnostics(nil)
	err := c.call(ctx, "ImportResourceState", "ImportResourceState", request, func(f wire.Field) error {
		switch f.Number {
		case 1:
			return decodeImported(f.Bytes, name, kind, &found)
		case 2:
			return diagnostics.decode(f.Bytes)
		}
		return nil
	})
	return found, diagnostics, err
}

func decodeImported(message []byte, name string, kind cty.Type, found *State) error {
	var kindOf string
	var state, private []byte
	err := wire.Each(message, func(f wire.Field) error {
		switch f.Number {
		case 1:
			kindOf = string(f.Bytes)
		case 2:
			state = f.Bytes
		case 3:
			private = f.Bytes
		}
		return nil
	})
	if err != nil || kindOf != name {
		return err // an import may bring further resources of other types
	}
	found.Private = private
	found.Value, err = fromDynamic(state, kind)
	return err
}

// ReadData reads a data source.
func (c *Client) ReadData(ctx context.Context, name string, config cty.Value) (cty.Value, Diagnostics, error) {
	kind := config.Type()
	packed, err := dynamic(config, kind)
	if err != nil {
		return cty.NilVal, nil, err
	}
	var request wire.Message
	request.String(1, name)
	request.Bytes(2, packed)
	value, diagnostics := cty.NullVal(kind), Diagnostics(nil)
	err = c.call(ctx, "ReadDataSource", "ReadDataSource", request, func(f wire.Field) (err error) {
		switch f.Number {
		case 1:
			value, err = fromDynamic(f.Bytes, kind)
		case 2:
			err = diagnostics.decode(f.Bytes)
		}
		return err
	})
	return value, diagnostics, err
}

// Stop asks the provider to give up what it is doing.
func (c *Client) Stop(ctx context.Context) error {
	return c.call(ctx, "Stop", "StopProvider", nil, func(wire.Field) error { return nil })
}
