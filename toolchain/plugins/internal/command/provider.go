// Package command is a Pulumi provider with the resources of pulumi-command 1.2.1: command:local:Command,
// command:remote:Command and command:remote:CopyToRemote, and the function command:local:run.
//
// It does what that plugin does wherever a program could tell, also where another answer would be kinder; where it would
// wait for ever, this one fails. Not offered: the deprecated CopyFile.
package command

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/host/internal/wire"
)

// Version of pulumi-command whose contract this is.
const Version = "1.2.1"

//go:embed schema.json
var schema string

// resource is one resource type. Structs are property maps as the engine sent them; results are the outputs that come
// on top of the inputs.
type resource interface {
	check(inputs *structpb.Struct) []*pulumirpc.CheckFailure
	preview(state, inputs *structpb.Struct) map[string]*structpb.Value // state is nil before there is one
	create(ctx context.Context, task task, inputs *structpb.Struct) (map[string]*structpb.Value, error)
	update(ctx context.Context, task task, state, oldInputs, inputs *structpb.Struct) (map[string]*structpb.Value, error)
	delete(ctx context.Context, task task, state *structpb.Struct) error
	newID(name string) string
}

// task is what an operation needs besides its properties.
type task struct {
	log logger
}

var resources = map[string]resource{
	"command:local:Command":       commands{kind: local{}},
	"command:remote:Command":      commands{kind: remote{}},
	"command:remote:CopyToRemote": copies{},
}

// Provider implements pulumirpc.ResourceProviderServer.
type Provider struct {
	pulumirpc.UnimplementedResourceProviderServer
	ctx    context.Context // ends when the engine cancels
	cancel context.CancelFunc
	engine engine
}

// NewProvider returns a provider that logs to the engine at the address, which may also come with the handshake.
func NewProvider(engineAddress string) *Provider {
	ctx, cancel := context.WithCancel(context.Background())
	return &Provider{ctx: ctx, cancel: cancel, engine: engine{address: engineAddress}}
}

// Cancel ends dialing and kills local commands; a remote command that runs goes on, and is waited for.
func (p *Provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	p.cancel()
	return &emptypb.Empty{}, nil
}

// begin opens an operation; the returned function ends it. A custom timeout, in seconds, ends it as Cancel does.
func (p *Provider) begin(ctx context.Context, urn string, timeout float64) (context.Context, task, func()) {
	var cancel context.CancelFunc
	if timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(timeout)*time.Second)
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	detach := context.AfterFunc(p.ctx, cancel)
	return ctx, task{log: p.engine.logger(urn)}, func() {
		detach()
		cancel()
	}
}

// Check validates the inputs and fills in defaults.
func (p *Provider) Check(_ context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	kind, err := find(request.Urn)
	if err != nil {
		return nil, err
	}
	inputs := request.News
	if inputs.GetFields() == nil {
		inputs = &structpb.Struct{Fields: map[string]*structpb.Value{}}
	}
	failures := kind.check(inputs)
	for name, value := range inputs.Fields {
		// A text that is secret and not known yet is taken for an empty one, as in the official plugin's previews.
		if name != "connection" && wire.IsSecret(value) && wire.IsUnknown(wire.Reveal(value)) {
			inputs.Fields[name] = wire.Secret(structpb.NewStringValue(""))
		}
	}
	return &pulumirpc.CheckResponse{Inputs: inputs, Failures: failures}, nil
}

// Diff finds the inputs that changed. Triggers replace the resource only where they come or go as a whole: that another
// element does too is said by the SDKs' replaceOnChanges.
func (p *Provider) Diff(_ context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	news := &structpb.Struct{Fields: maps.Clone(request.News.GetFields())}
	for name := range news.Fields {
		if name == "version" || strings.HasPrefix(name, "__") {
			delete(news.Fields, name) // the engine's own
		}
	}
	response := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true,
		DetailedDiff: map[string]*pulumirpc.PropertyDiff{},
	}
	top := map[string]bool{}
	for path, change := range wire.Diff(request.OldInputs, news) {
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		replace := path == "triggers"
		response.DetailedDiff[path] = &pulumirpc.PropertyDiff{Kind: diffKind(change, replace)}
		name := wire.Top(path)
		if top[name] {
			continue
		}
		top[name] = true
		response.Diffs = append(response.Diffs, name)
		if replace {
			response.Replaces = append(response.Replaces, name)
		}
	}
	return response, nil
}

func diffKind(change wire.Change, replace bool) pulumirpc.PropertyDiff_Kind {
	kinds := map[wire.Change][2]pulumirpc.PropertyDiff_Kind{
		wire.Added:   {pulumirpc.PropertyDiff_ADD, pulumirpc.PropertyDiff_ADD_REPLACE},
		wire.Deleted: {pulumirpc.PropertyDiff_DELETE, pulumirpc.PropertyDiff_DELETE_REPLACE},
		wire.Updated: {pulumirpc.PropertyDiff_UPDATE, pulumirpc.PropertyDiff_UPDATE_REPLACE},
	}
	if replace {
		return kinds[change][1]
	}
	return kinds[change][0]
}

// Create runs the create command. When it fails, nothing is left in the state.
func (p *Provider) Create(ctx context.Context, request *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	kind, err := find(request.Urn)
	if err != nil {
		return nil, err
	}
	if request.Preview {
		return &pulumirpc.CreateResponse{Properties: merge(request.Properties, kind.preview(nil, request.Properties))}, nil
	}
	ctx, task, end := p.begin(ctx, request.Urn, request.Timeout)
	defer end()
	outputs, err := kind.create(ctx, task, request.Properties)
	if err != nil {
		return nil, failure(err)
	}
	return &pulumirpc.CreateResponse{
		Id: kind.newID(nameOf(request.Urn)), Properties: merge(request.Properties, outputs),
	}, nil
}

// Update runs the update command, or else the create command again.
func (p *Provider) Update(ctx context.Context, request *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	kind, err := find(request.Urn)
	if err != nil {
		return nil, err
	}
	if request.Preview {
		return &pulumirpc.UpdateResponse{Properties: merge(request.News, kind.preview(request.Olds, request.News))}, nil
	}
	ctx, task, end := p.begin(ctx, request.Urn, request.Timeout)
	defer end()
	outputs, err := kind.update(ctx, task, request.Olds, request.OldInputs, request.News)
	if err != nil {
		return nil, failure(err)
	}
	return &pulumirpc.UpdateResponse{Properties: merge(request.News, outputs)}, nil
}

// Delete runs the delete command, if there is one.
func (p *Provider) Delete(ctx context.Context, request *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	kind, err := find(request.Urn)
	if err != nil {
		return nil, err
	}
	ctx, task, end := p.begin(ctx, request.Urn, request.Timeout)
	defer end()
	if err := kind.delete(ctx, task, request.Properties); err != nil {
		return nil, failure(err)
	}
	return &emptypb.Empty{}, nil
}

// Read returns the state as it is: a command has nothing that could be read back.
func (p *Provider) Read(_ context.Context, request *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	return &pulumirpc.ReadResponse{Id: request.Id, Properties: request.Properties, Inputs: request.Inputs}, nil
}

// find returns the resource type of a URN: urn:pulumi:stack::project::parent$types$type::name.
func find(urn string) (resource, error) {
	parts := strings.SplitN(urn, "::", 4)
	if len(parts) < 4 {
		return nil, status.Errorf(codes.InvalidArgument, "%q is not a resource's URN", urn)
	}
	kind := parts[2][strings.LastIndex(parts[2], "$")+1:]
	if found, ok := resources[kind]; ok {
		return found, nil
	}
	return nil, status.Errorf(codes.InvalidArgument, "the command provider built here has no resource type %s, only "+
		"local.Command, remote.Command and remote.CopyToRemote: use one of them, or the official plugin", kind)
}

func nameOf(urn string) string {
	parts := strings.SplitN(urn, "::", 4)
	return parts[len(parts)-1]
}

// failure is err as the engine shows it: one message, no code.
func failure(err error) error {
	return status.Error(codes.Unknown, strings.ToValidUTF8(err.Error(), "\uFFFD"))
}

func merge(inputs *structpb.Struct, outputs map[string]*structpb.Value) *structpb.Struct {
	merged := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for name, value := range inputs.GetFields() {
		merged.Fields[name] = value
	}
	for name, value := range outputs {
		merged.Fields[name] = value
	}
	return merged
}

// uniqueHex returns prefix and 8 random hex digits, as pulumi-command names its resources.
func uniqueHex(prefix string) string {
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		panic(fmt.Sprintf("the system's random numbers failed: %v", err)) // documented never to happen
	}
	return prefix + hex.EncodeToString(random)
}
