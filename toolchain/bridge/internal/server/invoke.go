package server

import (
	"context"
	"errors"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"tandem.local/toolchain/bridge/internal/value"
)

// Invoke reads a data source.
func (s *Server) Invoke(ctx context.Context, request *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	kind, err := s.function(request.GetTok())
	if err != nil {
		return nil, err
	}
	plain, _ := value.PlainObject(request.GetArgs())
	encoder := value.Encoder{Strict: true}
	config := encoder.Object(kind.node, plain, "")
	if len(encoder.Problems) > 0 {
		return &pulumirpc.InvokeResponse{Failures: failures(encoder.Problems)}, nil
	}
	client, err := s.own.get(ctx)
	if err != nil {
		return nil, err
	}
	diagnostics, err := client.Validate(ctx, true, kind.Type, config)
	if err != nil {
		return nil, err
	}
	if found := diagnosed(kind, diagnostics); len(found) > 0 {
		return &pulumirpc.InvokeResponse{Failures: found}, nil
	}
	state, diagnostics, err := client.ReadData(ctx, kind.Type, config)
	if err = errors.Join(err, diagnostics.Err()); err != nil {
		return nil, err
	}
	s.log.warnings("", diagnostics)
	if state.IsNull() {
		return nil, errors.New("the provider found nothing for " + kind.token)
	}
	return &pulumirpc.InvokeResponse{Return: value.Object(kind.node, state)}, nil
}
