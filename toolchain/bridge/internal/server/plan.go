package server

import (
	"context"
	"errors"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/zclconf/go-cty/cty"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/bridge/internal/change"
	"tandem.local/toolchain/bridge/internal/tfplugin"
	"tandem.local/toolchain/bridge/internal/value"
)

// planned is a plan with what is needed to carry it out.
type planned struct {
	tfplugin.Plan
	client *tfplugin.Client
	prior  tfplugin.State
	config cty.Value
}

func (s *Server) encode(kind *kind, inputs *structpb.Struct) (cty.Value, error) {
	plain, _ := value.PlainObject(inputs)
	encoder := value.Encoder{}
	config := encoder.Object(kind.node, plain, "")
	if len(encoder.Problems) > 0 {
		return config, encoder.Problems[0]
	}
	return config, nil
}

// plan asks the provider what inputs mean for the prior state (null to create).
func (s *Server) plan(
	ctx context.Context, urn string, kind *kind, prior tfplugin.State, inputs *structpb.Struct,
) (*planned, error) {
	config, err := s.encode(kind, inputs)
	if err != nil {
		return nil, err
	}
	client, err := s.own.get(ctx)
	if err != nil {
		return nil, err
	}
	proposed := change.Proposed(kind.schema.Block, prior.Value, config)
	plan, diagnostics, err := client.Plan(ctx, kind.Type, prior, proposed, config)
	if err = errors.Join(err, diagnostics.Err()); err != nil {
		return nil, err
	}
	s.log.warnings(urn, diagnostics)
	return &planned{plan, client, prior, config}, nil
}

// Diff tells what new inputs would change.
func (s *Server) Diff(ctx context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	kind, err := s.resource(request.GetUrn())
	if err != nil {
		return nil, err
	}
	news := request.GetNews()
	hidden := readMeta(request.GetOlds())
	if digest, ok := hidden[settledKey].(string); ok && digest == s.settled(news, request.GetOlds()) {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	prior, err := s.prior(ctx, kind, request.GetId(), request.GetOlds())
	if err != nil {
		return nil, err
	}
	plan, err := s.plan(ctx, request.GetUrn(), kind, prior, news)
	if err != nil {
		return nil, err
	}
	details := change.Details(kind.node, prior.Value, plan.Value, plan.RequiresReplace)
	response := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true,
		DetailedDiff: map[string]*pulumirpc.PropertyDiff{},
	}
	for path, detail := range details {
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		response.DetailedDiff[path] = &pulumirpc.PropertyDiff{Kind: propertyKind(detail)}
		response.Diffs = append(response.Diffs, path)
		if detail.Replace {
			response.Replaces = append(response.Replaces, path)
		}
	}
	response.DeleteBeforeReplace = len(response.Replaces) > 0 && deleteFirst(kind, news)
	return response, nil
}

// deleteFirst tells whether the old resource has to go before the new one comes: where the official plugin says so
// for the type, and where the user chose the name, which the new one needs too.
func deleteFirst(kind *kind, inputs *structpb.Struct) bool {
	if kind.DeleteBeforeReplace {
		return true
	}
	rule := kind.Autoname
	if rule == nil || inputs.GetFields()[defaultsKey] == nil {
		return false
	}
	return inputs.GetFields()[rule.Property] != nil && !madeUp(inputs, rule.Property)
}

func propertyKind(detail change.Detail) pulumirpc.PropertyDiff_Kind {
	kinds := map[change.Detail]pulumirpc.PropertyDiff_Kind{
		{Kind: change.Add}:                   pulumirpc.PropertyDiff_ADD,
		{Kind: change.Add, Replace: true}:    pulumirpc.PropertyDiff_ADD_REPLACE,
		{Kind: change.Delete}:                pulumirpc.PropertyDiff_DELETE,
		{Kind: change.Delete, Replace: true}: pulumirpc.PropertyDiff_DELETE_REPLACE,
		{Kind: change.Update}:                pulumirpc.PropertyDiff_UPDATE,
		{Kind: change.Update, Replace: true}: pulumirpc.PropertyDiff_UPDATE_REPLACE,
	}
	return kinds[detail]
}
