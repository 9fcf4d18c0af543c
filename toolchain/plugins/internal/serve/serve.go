// Package serve runs a Pulumi plugin: a gRPC server on a free loopback port that lives as long as its engine, and as
// long as what it does for it.
package serve

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"time"

	"google.golang.org/grpc"
)

// MaxMessage is the largest message Pulumi sends, as in its own rpcutil package: 400 MiB.
const MaxMessage = 400 << 20

// Run prints the port, as the engine expects, and serves until the engine has ended or interrupts it. What is under
// way then ends first, as with the official plugins: a plugin whose engine was killed stays until its commands are
// done. Every other signal ends it at once.
func Run(register func(*grpc.Server)) error {
	parent := os.Getppid()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("no free loopback port for the plugin: %w", err)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage))
	register(server)
	fmt.Printf("%d\n", listener.Addr().(*net.TCPAddr).Port)

	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-interrupted:
	case <-orphaned(parent):
	}
	server.GracefulStop()
	return nil
}

// orphaned closes its channel when the engine has died without a word (kill -9). A parent-death signal would be
// no help: it comes when the engine's thread that started us ends, which may be long before the engine does.
func orphaned(parent int) <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for os.Getppid() == parent {
			time.Sleep(500 * time.Millisecond)
		}
	}()
	return gone
}
