// Package serve runs a Pulumi plugin: a gRPC server on a free loopback port that lives as long as its engine.
package serve

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
)

// MaxMessage is the largest message Pulumi sends, as in its own rpcutil package: 400 MiB.
const MaxMessage = 400 << 20

// grace is how long running work may take to stop before the plugin exits all the same.
const grace = 15 * time.Second

// Run prints the port, as the engine expects, and serves until the engine ends or asks for the end by a signal.
// It then calls stop, which must return once the work in progress has been told to stop and did.
func Run(register func(*grpc.Server), stop func()) error {
	parent := os.Getppid()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("no free loopback port for the plugin: %w", err)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage))
	register(server)
	fmt.Printf("%d\n", listener.Addr().(*net.TCPAddr).Port)

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-orphaned(parent):
		}
		stopped := make(chan struct{})
		go func() {
			stop()
			close(stopped)
		}()
		select {
		case <-stopped:
		case <-time.After(grace):
		}
		server.Stop()
	}()
	return server.Serve(listener)
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
