package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/zclconf/go-cty/cty"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/bridge/internal/change"
	"tandem.local/toolchain/bridge/internal/shape"
	"tandem.local/toolchain/bridge/internal/tfplugin"
	"tandem.local/toolchain/bridge/internal/value"
)

// defaultsKey is the hidden input in which the official plugins list the inputs that they filled in themselves.
const defaultsKey = "__defaults"

// Check fills in a name where the resource wants one and validates the inputs.
func (s *Server) Check(ctx context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	kind, err := s.resource(request.GetUrn())
	if err != nil {
		return nil, err
	}
	inputs := &structpb.Struct{Fields: maps.Clone(request.GetNews().GetFields())}
	if inputs.Fields == nil {
		inputs.Fields = map[string]*structpb.Value{}
	}
	if failure := autoname(kind, request, inputs); failure != nil {
		return &pulumirpc.CheckResponse{Inputs: inputs, Failures: []*pulumirpc.CheckFailure{failure}}, nil
	}
	plain, _ := value.PlainObject(inputs)
	olds, _ := value.PlainObject(request.GetOlds())
	if proto.Equal(plain, olds) {
		return &pulumirpc.CheckResponse{Inputs: inputs}, nil // valid then, valid now
	}
	encoder := value.Encoder{Strict: true}
	config := encoder.Object(kind.node, plain, "")
	if len(encoder.Problems) > 0 {
		return &pulumirpc.CheckResponse{Inputs: inputs, Failures: failures(encoder.Problems)}, nil
	}
	diagnostics, err := s.validate(ctx, false, kind, config)
	if err != nil {
		return nil, err
	}
	s.log.warnings(request.GetUrn(), diagnostics)
	return &pulumirpc.CheckResponse{Inputs: inputs, Failures: diagnosed(kind, diagnostics)}, nil
}

// validate asks the process that the bridges share, and a process of our own if the shared one has gone meanwhile.
func (s *Server) validate(ctx context.Context, data bool, kind *kind, config cty.Value) (tfplugin.Diagnostics, error) {
	var diagnostics tfplugin.Diagnostics
	client, err := s.shared.get(ctx)
	if err == nil {
		diagnostics, err = client.Validate(ctx, data, kind.Type, config)
	}
	if err != nil && ctx.Err() == nil {
		s.shared.close()
		if client, err = s.shared.get(ctx); err == nil {
			diagnostics, err = client.Validate(ctx, data, kind.Type, config)
		}
	}
	return diagnostics, err
}

func diagnosed(kind *kind, diagnostics tfplugin.Diagnostics) []*pulumirpc.CheckFailure {
	var list []*pulumirpc.CheckFailure
	for _, diagnostic := range diagnostics {
		if !diagnostic.Warning {
			property, _ := change.Path(kind.node, diagnostic.Path)
			list = append(list, &pulumirpc.CheckFailure{Property: property, Reason: diagnostic.Text()})
		}
	}
	return list
}

// autoname gives the resource a name as the official plugins do: the old one if it was made up then, or else the
// logical name and seven random hex digits, as the stack's autonaming configuration allows.
func autoname(kind *kind, request *pulumirpc.CheckRequest, inputs *structpb.Struct) *pulumirpc.CheckFailure {
	delete(inputs.Fields, defaultsKey)
	defaults := []any{}
	if rule := kind.Autoname; rule != nil && inputs.Fields[rule.Property] == nil {
		old := request.GetOlds().GetFields()[rule.Property]
		if old == nil || !madeUp(request.GetOlds(), rule.Property) {
			name, failure := newName(rule, request)
			if failure != nil {
				return failure
			}
			old = structpb.NewStringValue(name)
		}
		inputs.Fields[rule.Property] = old
		defaults = append(defaults, rule.Property)
	}
	list, err := structpb.NewList(defaults)
	if err != nil {
		return &pulumirpc.CheckFailure{Reason: err.Error()}
	}
	inputs.Fields[defaultsKey] = structpb.NewListValue(list)
	return nil
}

// madeUp tells whether a property was filled in by autonaming.
func madeUp(inputs *structpb.Struct, property string) bool {
	return slices.ContainsFunc(inputs.GetFields()[defaultsKey].GetListValue().GetValues(),
		func(v *structpb.Value) bool { return v.GetStringValue() == property })
}

func newName(rule *shape.Autoname, request *pulumirpc.CheckRequest) (string, *pulumirpc.CheckFailure) {
	switch options := request.GetAutonaming(); options.GetMode() {
	case pulumirpc.CheckRequest_AutonamingOptions_DISABLE:
		return "", &pulumirpc.CheckFailure{Property: rule.Property,
			Reason: "autonaming is disabled in this stack's configuration: give the resource a name"}
	case pulumirpc.CheckRequest_AutonamingOptions_ENFORCE, pulumirpc.CheckRequest_AutonamingOptions_PROPOSE:
		if options.GetProposedName() != "" {
			return options.GetProposedName(), nil
		}
	}
	seed := request.GetRandomSeed()
	if len(seed) == 0 {
		seed = make([]byte, 32)
		_, _ = rand.Read(seed) // never fails, says its documentation
	}
	digest := sha256.Sum256(seed)
	parts := strings.Split(request.GetUrn(), "::")
	name := parts[len(parts)-1] + rule.Separator + hex.EncodeToString(digest[:])[:7]
	if rule.MaxLength > 0 && len(name) > rule.MaxLength {
		return "", &pulumirpc.CheckFailure{Property: rule.Property,
			Reason: fmt.Sprintf("the name made up for it, %s, is longer than %d: give it one", name, rule.MaxLength)}
	}
	return name, nil
}
