// Command pulumi-resource-command is the Pulumi plugin for commands on this and other machines, to the contract of
// pulumi-command 1.2.1, for machines where that plugin cannot be downloaded.
package main

import (
	"fmt"
	"os"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"

	"tandem.local/toolchain/host/internal/command"
	"tandem.local/toolchain/host/internal/serve"
)

func main() {
	engine := ""
	if len(os.Args) > 1 {
		engine = os.Args[len(os.Args)-1]
	}
	provider := command.NewProvider(engine)
	if err := serve.Run(func(server *grpc.Server) { pulumirpc.RegisterResourceProviderServer(server, provider) }); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-command:", err)
		os.Exit(1)
	}
}
