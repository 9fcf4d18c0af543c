// Package server is a Pulumi resource provider whose work a Terraform provider does.
package server

import (
	"context"
	"fmt"
	"strings"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/bridge/internal/shape"
	"tandem.local/toolchain/bridge/internal/tfplugin"
	"tandem.local/toolchain/bridge/internal/tfschema"
)

// Server implements Pulumi's ResourceProvider.
type Server struct {
	pulumirpc.UnimplementedResourceProviderServer
	mapping *shape.Mapping
	schemas string // folder of the saved schemas
	log     *logger
	own     *runner // configured; for what touches resources
	shared  *runner // not configured; for validation

	mu     sync.Mutex
	kinds  map[string]*kind
	config *structpb.Struct
}

// New makes a server for the mapped provider, whose program and saved schemas are given; engine is the engine's
// address, for its log.
func New(mapping *shape.Mapping, program, schemas, engine string) *Server {
	log := &logger{address: engine}
	s := &Server{mapping: mapping, schemas: schemas, log: log, kinds: map[string]*kind{}}
	s.own = &runner{start: func(ctx context.Context) (*tfplugin.Client, error) {
		client, err := tfplugin.Start(ctx, program, log.provider)
		if err != nil {
			return nil, err
		}
		if err := s.configure(ctx, client); err != nil {
			client.Close()
			return nil, err
		}
		return client, nil
	}}
	s.shared = &runner{start: func(ctx context.Context) (*tfplugin.Client, error) {
		return tfplugin.StartShared(ctx, program, engine, log.provider)
	}}
	return s
}

// Close ends the provider processes.
func (s *Server) Close() {
	s.own.close()
	s.shared.close()
}

// kind is a resource type or a data source: its names and its schema.
type kind struct {
	*shape.Mapped
	token  string
	schema *tfschema.Schema
	node   *shape.Node
}

// resource finds the type of a URN, or of a bare type token.
func (s *Server) resource(urn string) (*kind, error) {
	token := urn
	if parts := strings.Split(urn, "::"); len(parts) >= 4 {
		token = parts[2][strings.LastIndex(parts[2], "$")+1:]
	}
	mapped := s.mapping.Resources[token]
	if mapped == nil {
		return nil, fmt.Errorf("%s is not among the resource types of this %s plugin, which stands in for the "+
			"official one: use the official plugin for it", token, s.mapping.Name)
	}
	return s.load(token, tfplugin.ResourceSchema(mapped.Type), mapped)
}

func (s *Server) function(token string) (*kind, error) {
	mapped := s.mapping.Functions[token]
	if mapped == nil {
		return nil, fmt.Errorf("%s is not among the functions of this %s plugin, which stands in for the "+
			"official one: use the official plugin for it", token, s.mapping.Name)
	}
	return s.load(token, tfplugin.DataSchema(mapped.Type), mapped)
}

func (s *Server) load(token, file string, mapped *shape.Mapped) (*kind, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.kinds[token]; known != nil {
		return known, nil
	}
	schema, err := tfplugin.LoadSchema(s.schemas, file)
	if err != nil {
		return nil, err
	}
	loaded := &kind{mapped, token, schema, shape.Build(schema.Block, mapped.Fields)}
	s.kinds[token] = loaded
	return loaded, nil
}

// Handshake tells the engine what this provider can do.
func (s *Server) Handshake(
	_ context.Context, request *pulumirpc.ProviderHandshakeRequest,
) (*pulumirpc.ProviderHandshakeResponse, error) {
	s.log.setAddress(request.GetEngineAddress())
	return &pulumirpc.ProviderHandshakeResponse{AcceptSecrets: true, SupportsAutonamingConfiguration: true}, nil
}

// Attach takes the address of the engine when the provider was started by hand.
func (s *Server) Attach(_ context.Context, request *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	s.log.setAddress(request.GetAddress())
	return &emptypb.Empty{}, nil
}

// GetPluginInfo returns the version of the plugin that this one stands in for.
func (s *Server) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: s.mapping.Version}, nil
}

// Cancel asks the provider to give up what it is doing.
func (s *Server) Cancel(ctx context.Context, _ *emptypb.Empty) (*emptypb.Empty, error) {
	if client := s.own.running(); client != nil {
		if err := client.Stop(ctx); err != nil {
			return nil, err
		}
	}
	return &emptypb.Empty{}, nil
}
