package server

import (
	"context"
	"errors"
	"fmt"
	"maps"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/bridge/internal/shape"
	"tandem.local/toolchain/bridge/internal/tfplugin"
	"tandem.local/toolchain/bridge/internal/value"
)

// Read refreshes a resource, or finds one by its id to import it. A response without an id means that it is gone.
func (s *Server) Read(ctx context.Context, request *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	kind, err := s.resource(request.GetUrn())
	if err != nil {
		return nil, err
	}
	client, err := s.own.get(ctx)
	if err != nil {
		return nil, err
	}
	olds := request.GetProperties()
	importing := len(olds.GetFields()) == 0
	var state tfplugin.State
	if importing {
		var diagnostics tfplugin.Diagnostics
		state, diagnostics, err = client.Import(ctx, kind.Type, request.GetId(), kind.node.Type)
		err = errors.Join(err, diagnostics.Err())
	} else {
		state, err = s.prior(ctx, kind, request.GetId(), olds)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", kind.token, request.GetId(), err)
	}
	if state.Value.IsNull() {
		return &pulumirpc.ReadResponse{}, nil
	}
	state.Private = withTimeout(state.Private, "read", request.GetTimeout())
	fresh, diagnostics, err := client.Read(ctx, kind.Type, state)
	if err = errors.Join(err, diagnostics.Err()); err != nil {
		return nil, fmt.Errorf("refreshing %s: %w", request.GetUrn(), err)
	}
	s.log.warnings(request.GetUrn(), diagnostics)
	id := identifier(fresh.Value)
	if id == "" {
		return &pulumirpc.ReadResponse{}, nil
	}
	secrets := value.SecretKeys(olds)
	maps.Copy(secrets, value.SecretKeys(request.GetInputs()))
	outputs := s.outputs(kind, fresh, secrets)
	s.keepMarks(olds, outputs)
	inputs := importedInputs(kind, outputs)
	if !importing {
		inputs = refreshedInputs(request.GetInputs(), olds, outputs)
	}
	return &pulumirpc.ReadResponse{Id: id, Properties: outputs, Inputs: inputs}, nil
}

// keepMarks carries our own mark over a refresh: the digest settles nothing unless the outputs are still the same.
func (s *Server) keepMarks(olds, outputs *structpb.Struct) {
	now := readMeta(outputs)
	if mark, had := readMeta(olds)[settledKey]; had {
		now[settledKey] = mark
	}
	now.store(outputs)
}

// refreshedInputs are the old inputs, with what has changed outside of Pulumi as it is now, so that the next `up`
// sees the drift.
func refreshedInputs(inputs, olds, outputs *structpb.Struct) *structpb.Struct {
	refreshed := &structpb.Struct{Fields: maps.Clone(inputs.GetFields())}
	for key := range refreshed.Fields {
		before, _ := value.Plain(olds.GetFields()[key])
		now, _ := value.Plain(outputs.Fields[key])
		if now != nil && key != defaultsKey && !proto.Equal(before, now) {
			refreshed.Fields[key] = outputs.Fields[key]
		}
	}
	return refreshed
}

// importedInputs are those that would lead to the outputs: everything that can be set and is.
func importedInputs(kind *kind, outputs *structpb.Struct) *structpb.Struct {
	inputs := settable(kind.node, outputs)
	inputs.Fields[defaultsKey] = structpb.NewListValue(&structpb.ListValue{})
	return inputs
}

func settable(node *shape.Node, outputs *structpb.Struct) *structpb.Struct {
	inputs := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for _, field := range node.Fields {
		v := outputs.Fields[field.Pulumi]
		if plain, _ := value.Plain(v); field.Input() && field.TF != "id" && !field.Deprecated && !isZero(plain) {
			inputs.Fields[field.Pulumi] = v
		}
	}
	return inputs
}

func isZero(v *structpb.Value) bool {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return kind.StringValue == ""
	case *structpb.Value_BoolValue:
		return !kind.BoolValue
	case *structpb.Value_NumberValue:
		return kind.NumberValue == 0
	case *structpb.Value_ListValue:
		return len(kind.ListValue.Values) == 0
	case *structpb.Value_StructValue:
		return len(kind.StructValue.Fields) == 0
	default:
		return true
	}
}
