// Command bridge is a Pulumi resource plugin in front of a Terraform provider.
//
// It is installed as pulumi-resource-NAME beside terraform-provider-NAME and a folder schema-NAME, and takes NAME from
// its own file name. `pulumi-resource-NAME --save-schemas`, run once when it is installed, fills the folder.
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"

	"tandem.local/toolchain/bridge/internal/server"
	"tandem.local/toolchain/bridge/internal/shape"
	"tandem.local/toolchain/bridge/internal/tfplugin"
)

//go:embed providers/*.json
var providers embed.FS

const parentPoll = 2 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	debug.SetGCPercent(50) // there may be one such process for each of many machines
	program, err := os.Executable()
	if err != nil {
		return err
	}
	name, found := strings.CutPrefix(filepath.Base(program), "pulumi-resource-")
	if !found {
		return errors.New("this program must be called pulumi-resource-NAME: install it with `python -m toolchain ensure`")
	}
	text, err := providers.ReadFile("providers/" + name + ".json")
	if err != nil {
		return fmt.Errorf("there is no mapping for a provider %s", name)
	}
	mapping, err := shape.ParseMapping(text)
	if err != nil {
		return err
	}
	upstream := filepath.Join(filepath.Dir(program), "terraform-provider-"+name)
	schemas := filepath.Join(filepath.Dir(program), "schema-"+name)
	engine := ""
	provider := func() *server.Server { return server.New(mapping, upstream, schemas, engine) }
	for _, arg := range args {
		switch {
		case arg == "--save-schemas":
			return saveSchemas(mapping, upstream, schemas)
		case arg == "--schema":
			return printSchema(provider())
		case !strings.HasPrefix(arg, "-"):
			engine = arg
		}
	}
	return serve(provider())
}

// saveSchemas asks the provider for its schemas and keeps those of the mapped types.
func saveSchemas(mapping *shape.Mapping, upstream, schemas string) error {
	ctx := context.Background()
	client, err := tfplugin.Start(ctx, upstream, func(string) {})
	if err != nil {
		return err
	}
	defer client.Close()
	wanted := map[string]bool{tfplugin.ProviderSchema: true}
	for _, resource := range mapping.Resources {
		wanted[tfplugin.ResourceSchema(resource.Type)] = true
	}
	for _, function := range mapping.Functions {
		wanted[tfplugin.DataSchema(function.Type)] = true
	}
	if err := os.MkdirAll(schemas, 0o755); err != nil {
		return err
	}
	return client.SaveSchemas(ctx, schemas, wanted)
}

// printSchema writes the package schema, for tests and for people.
func printSchema(provider *server.Server) error {
	response, err := provider.GetSchema(context.Background(), &pulumirpc.GetSchemaRequest{})
	if err == nil {
		_, err = fmt.Println(response.GetSchema())
	}
	return err
}

// exitWithParent stops serving when the engine is gone, also when it was killed; what is under way ends first.
func exitWithParent(grpcServer *grpc.Server) {
	parent := os.Getppid()
	for os.Getppid() == parent {
		time.Sleep(parentPoll)
	}
	grpcServer.GracefulStop()
}

func serve(provider *server.Server) error {
	defer provider.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	grpcServer := grpc.NewServer(grpc.MaxRecvMsgSize(math.MaxInt32), grpc.MaxSendMsgSize(math.MaxInt32))
	pulumirpc.RegisterResourceProviderServer(grpcServer, provider)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		grpcServer.GracefulStop() // what is under way ends first
	}()
	go exitWithParent(grpcServer)
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return errors.New("no TCP port")
	}
	fmt.Println(address.Port)
	return grpcServer.Serve(listener)
}
