package server

import (
	"context"
	"errors"
	"fmt"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/zclconf/go-cty/cty"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/bridge/internal/change"
	"tandem.local/toolchain/bridge/internal/tfplugin"
	"tandem.local/toolchain/bridge/internal/value"
)

// Create makes a resource, or tells in a preview what it would be like.
func (s *Server) Create(ctx context.Context, request *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	kind, err := s.resource(request.GetUrn())
	if err != nil {
		return nil, err
	}
	inputs := request.GetProperties()
	secrets := value.SecretKeys(inputs)
	nothing := tfplugin.State{Value: cty.NullVal(kind.node.Type)}
	if request.GetPreview() && !s.mapping.PlanPreviews {
		config, err := s.encode(kind, inputs)
		if err != nil {
			return nil, err
		}
		state := tfplugin.State{Value: change.Unplanned(kind.schema.Block, config)}
		return &pulumirpc.CreateResponse{Properties: s.outputs(kind, state, secrets)}, nil
	}
	plan, err := s.plan(ctx, request.GetUrn(), kind, nothing, inputs)
	if err != nil {
		return nil, err
	}
	if request.GetPreview() {
		return &pulumirpc.CreateResponse{Properties: s.outputs(kind, plan.State, secrets)}, nil
	}
	plan.Private = withTimeout(plan.Private, "create", request.GetTimeout())
	state, failure := s.apply(ctx, request.GetUrn(), kind, plan)
	id := identifier(state.Value)
	if failure != nil && id == "" {
		return nil, failure
	}
	outputs := s.outputs(kind, state, secrets)
	if failure != nil {
		return nil, initFailed(id, outputs, fmt.Errorf("creating %s: %w", request.GetUrn(), failure))
	}
	if id == "" {
		return nil, fmt.Errorf("the provider returned no id for %s", kind.token)
	}
	s.settle(inputs, outputs)
	return &pulumirpc.CreateResponse{Id: id, Properties: outputs}, nil
}

// Update changes a resource in place, or tells in a preview what it would be like.
func (s *Server) Update(ctx context.Context, request *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	kind, err := s.resource(request.GetUrn())
	if err != nil {
		return nil, err
	}
	inputs := request.GetNews()
	secrets := value.SecretKeys(inputs)
	prior, err := s.prior(ctx, kind, request.GetId(), request.GetOlds())
	if err != nil {
		return nil, err
	}
	plan, err := s.plan(ctx, request.GetUrn(), kind, prior, inputs)
	if err != nil {
		return nil, err
	}
	if request.GetPreview() {
		return &pulumirpc.UpdateResponse{Properties: s.outputs(kind, plan.State, secrets)}, nil
	}
	plan.Private = withTimeout(plan.Private, "update", request.GetTimeout())
	state, failure := s.apply(ctx, request.GetUrn(), kind, plan)
	if state.Value.IsNull() {
		return nil, failure
	}
	outputs := s.outputs(kind, state, secrets)
	if failure != nil {
		return nil, initFailed(request.GetId(), outputs, fmt.Errorf("updating %s: %w", request.GetUrn(), failure))
	}
	s.settle(inputs, outputs)
	return &pulumirpc.UpdateResponse{Properties: outputs}, nil
}

// Delete removes a resource, with a plan first where the provider wants one.
func (s *Server) Delete(ctx context.Context, request *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	kind, err := s.resource(request.GetUrn())
	if err != nil {
		return nil, err
	}
	prior, err := s.prior(ctx, kind, request.GetId(), request.GetProperties())
	if err != nil {
		return nil, err
	}
	client, err := s.own.get(ctx)
	if err != nil {
		return nil, err
	}
	nothing := cty.NullVal(kind.node.Type)
	plan := &planned{
		Plan:   tfplugin.Plan{State: tfplugin.State{Value: nothing, Private: prior.Private}},
		client: client, prior: prior, config: nothing,
	}
	if tfplugin.PlansDestroy(s.schemas) {
		var diagnostics tfplugin.Diagnostics
		plan.Plan, diagnostics, err = client.Plan(ctx, kind.Type, prior, nothing, nothing)
		if err = errors.Join(err, diagnostics.Err()); err != nil {
			return nil, err
		}
	}
	plan.Private = withTimeout(plan.Private, "delete", request.GetTimeout())
	if _, failure := s.apply(ctx, request.GetUrn(), kind, plan); failure != nil {
		return nil, failure
	}
	return &emptypb.Empty{}, nil
}

// apply carries out a plan; the state counts also when there is an error.
func (s *Server) apply(ctx context.Context, urn string, kind *kind, plan *planned) (tfplugin.State, error) {
	state, diagnostics, err := plan.client.Apply(ctx, kind.Type, plan.prior.Value, plan.State, plan.config)
	if err != nil {
		return tfplugin.State{Value: cty.NullVal(kind.node.Type)}, err
	}
	s.log.warnings(urn, diagnostics)
	return state, diagnostics.Err()
}

// settle notes that these outputs are what these inputs led to.
func (s *Server) settle(inputs, outputs *structpb.Struct) {
	hidden := readMeta(outputs)
	hidden[settledKey] = s.settled(inputs, outputs)
	hidden.store(outputs)
}

// initFailed is the error with which the engine keeps the resource in its state all the same. The next `up` is an update
// without a change unless the program has it replaced at `#initerror`, and a refresh takes the error away.
func initFailed(id string, outputs *structpb.Struct, failure error) error {
	failed, err := status.New(codes.Unknown, failure.Error()).WithDetails(&pulumirpc.ErrorResourceInitFailed{
		Id: id, Properties: outputs, Reasons: []string{failure.Error()},
	})
	if err != nil {
		return failure
	}
	return failed.Err()
}
