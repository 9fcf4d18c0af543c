package command

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// fakeEngine is an engine that only takes log messages.
type fakeEngine struct {
	pulumirpc.UnimplementedEngineServer
	recorder
}

func (e *fakeEngine) Log(_ context.Context, request *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if request.Ephemeral {
		e.lines = append(e.lines, request.Message)
	} else {
		e.permanent = append(e.permanent, request.Severity.String()+" "+request.Message)
	}
	return &emptypb.Empty{}, nil
}

func (e *fakeEngine) seen(line string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.lines, line)
}

// newProvider returns a provider connected to an engine.
func newProvider(t *testing.T) (*Provider, *fakeEngine) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	engine, server := &fakeEngine{}, grpc.NewServer()
	pulumirpc.RegisterEngineServer(server, engine)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return NewProvider(listener.Addr().String()), engine
}

// eventually waits for a condition, for at most 10 seconds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("never came: %s", what)
}
