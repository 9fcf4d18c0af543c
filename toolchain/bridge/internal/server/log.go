package server

import (
	"context"
	"encoding/json"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"tandem.local/toolchain/bridge/internal/tfplugin"
)

// logger writes to the engine's log, to which it connects when there is something to say.
type logger struct {
	mu      sync.Mutex
	address string
	engine  pulumirpc.EngineClient
}

func (l *logger) setAddress(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if address != "" && address != l.address {
		l.address, l.engine = address, nil
	}
}

func (l *logger) write(severity pulumirpc.LogSeverity, urn, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.engine == nil {
		if l.address == "" {
			return
		}
		conn, err := grpc.NewClient(l.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return // a log that can't be written must not fail the work it tells of
		}
		l.engine = pulumirpc.NewEngineClient(conn)
	}
	_, _ = l.engine.Log(context.Background(), &pulumirpc.LogRequest{Severity: severity, Message: message, Urn: urn})
}

// provider passes on a line that the Terraform provider wrote: JSON of its logger, or plain text.
func (l *logger) provider(line string) {
	var entry struct {
		Message string `json:"@message"`
	}
	if json.Unmarshal([]byte(line), &entry) == nil && entry.Message != "" {
		line = entry.Message
	}
	l.write(pulumirpc.LogSeverity_DEBUG, "", tfplugin.Unsigned(line))
}

// warnings shows the warnings among the diagnostics to the user.
func (l *logger) warnings(urn string, diagnostics tfplugin.Diagnostics) {
	for _, diagnostic := range diagnostics {
		if diagnostic.Warning {
			l.write(pulumirpc.LogSeverity_WARNING, urn, diagnostic.Text())
		}
	}
}
