package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/bridge/internal/shape"
	"tandem.local/toolchain/bridge/internal/tfplugin"
	"tandem.local/toolchain/bridge/internal/value"
)

func (s *Server) configKind() (*kind, error) {
	return s.load("provider", tfplugin.ProviderSchema, &shape.Mapped{Fields: s.mapping.Config})
}

// CheckConfig refuses configuration that the provider doesn't know, and marks what is secret.
func (s *Server) CheckConfig(
	_ context.Context, request *pulumirpc.CheckRequest,
) (*pulumirpc.CheckResponse, error) {
	kind, err := s.configKind()
	if err != nil {
		return nil, err
	}
	inputs := &structpb.Struct{Fields: maps.Clone(request.GetNews().GetFields())}
	plain, _ := value.PlainObject(inputs)
	delete(plain.Fields, "version") // Pulumi's own
	encoder := value.Encoder{Strict: true, JSON: true}
	encoder.Object(kind.node, plain, "")
	for key, v := range inputs.GetFields() {
		field := kind.node.ByPulumi(key)
		if (field != nil && field.Sensitive) || slices.Contains(s.mapping.Secrets, key) {
			inputs.Fields[key] = value.MakeSecret(v)
		}
	}
	return &pulumirpc.CheckResponse{Inputs: inputs, Failures: failures(encoder.Problems)}, nil
}

func failures(problems []value.Problem) []*pulumirpc.CheckFailure {
	var list []*pulumirpc.CheckFailure
	for _, problem := range problems {
		list = append(list, &pulumirpc.CheckFailure{Property: problem.Property, Reason: problem.Reason})
	}
	return list
}

// DiffConfig reports the configuration that changes; none of it replaces the provider.
func (s *Server) DiffConfig(
	_ context.Context, request *pulumirpc.DiffRequest,
) (*pulumirpc.DiffResponse, error) {
	olds, _ := value.PlainObject(request.GetOlds())
	news, _ := value.PlainObject(request.GetNews())
	response := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}
	for key := range news.Fields {
		if !proto.Equal(olds.Fields[key], news.Fields[key]) {
			response.Diffs = append(response.Diffs, key)
		}
	}
	for key := range olds.Fields {
		if _, kept := news.Fields[key]; !kept {
			response.Diffs = append(response.Diffs, key)
		}
	}
	if len(response.Diffs) > 0 {
		slices.Sort(response.Diffs)
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
	}
	return response, nil
}

// Configure keeps the configuration; the provider gets it when it is first needed.
func (s *Server) Configure(
	_ context.Context, request *pulumirpc.ConfigureRequest,
) (*pulumirpc.ConfigureResponse, error) {
	plain, _ := value.PlainObject(request.GetArgs())
	delete(plain.Fields, "version")
	for key, fallback := range s.mapping.Defaults {
		if _, given := plain.Fields[key]; !given {
			if text := environment(fallback.Env, fallback.Value); text != "" {
				plain.Fields[key] = structpb.NewStringValue(text)
			}
		}
	}
	s.mu.Lock()
	s.config = plain
	s.mu.Unlock()
	s.own.close() // one that ran had the configuration of before
	return &pulumirpc.ConfigureResponse{
		AcceptSecrets: true, SupportsPreview: true, SupportsAutonamingConfiguration: true,
	}, nil
}

// configure hands the kept configuration to a provider that was just started.
func (s *Server) configure(ctx context.Context, client *tfplugin.Client) error {
	kind, err := s.configKind()
	if err != nil {
		return err
	}
	s.mu.Lock()
	given := s.config
	s.mu.Unlock()
	if given == nil {
		return errors.New("the provider is used before it is configured")
	}
	encoder := value.Encoder{JSON: true}
	config := encoder.Object(kind.node, given, "")
	if len(encoder.Problems) > 0 {
		return fmt.Errorf("provider configuration: %w", encoder.Problems[0])
	}
	diagnostics, err := client.Configure(ctx, config)
	if err = errors.Join(err, diagnostics.Err()); err != nil {
		return fmt.Errorf("configuring the %s provider: %w", s.mapping.Name, err)
	}
	s.log.warnings("", diagnostics)
	return nil
}

// environment is the first of the variables that is set.
func environment(names []string, otherwise string) string {
	for _, name := range names {
		if set := os.Getenv(name); set != "" {
			return set
		}
	}
	return otherwise
}
