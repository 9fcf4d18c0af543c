// Command pulumi-language-python is a Pulumi language host: it runs Python programs for the engine.
//
// It is what the official one is to the CLI, for machines where that cannot be downloaded. Not offered: code
// generation (`pulumi convert`, `pulumi package add`), dynamic providers, the debugger, poetry.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"tandem.local/toolchain/host/internal/serve"
)

// host implements pulumirpc.LanguageRuntimeServer.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine   string // address of the engine
	executor string // path of pulumi-language-python-exec

	ctx    context.Context // ends when the engine cancels
	cancel context.CancelFunc
}

func main() {
	flag.String("tracing", "", "accepted for the engine's sake, not used")
	flag.String("root", "", "accepted for the engine's sake, not used")
	flag.Parse()
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	h := &host{
		engine:   flag.Arg(flag.NArg() - 1),
		executor: filepath.Join(filepath.Dir(self), "pulumi-language-python-exec"),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	if err == nil {
		err = serve.Run(func(server *grpc.Server) { pulumirpc.RegisterLanguageRuntimeServer(server, h) })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-language-python:", err)
		os.Exit(1)
	}
}

// Handshake tells the host where its engine is.
func (h *host) Handshake(
	_ context.Context, request *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.engine = request.EngineAddress
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

// GetPluginInfo returns the version of the Pulumi SDK this host is built with.
func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	info := &pulumirpc.PluginInfo{}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if module.Path == "github.com/pulumi/pulumi/sdk/v3" {
				info.Version = strings.TrimPrefix(module.Version, "v")
			}
		}
	}
	return info, nil
}

// Cancel interrupts the programs that run.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.cancel()
	return &emptypb.Empty{}, nil
}

// RuntimeOptionsPrompts has nothing to ask: `pulumi new` gets the defaults.
func (h *host) RuntimeOptionsPrompts(
	context.Context, *pulumirpc.RuntimeOptionsRequest,
) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}
