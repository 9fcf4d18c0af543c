package command

import (
	"bytes"
	"context"
	"strings"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// longestLine is where bufio.Scanner gives up, and with it the official plugin.
const longestLine = 64 << 10

// engine is the connection to the engine, opened when there is something to say.
type engine struct {
	mu      sync.Mutex
	address string
	client  pulumirpc.EngineClient
}

func (e *engine) connect(address string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if address != e.address {
		e.address, e.client = address, nil
	}
}

func (e *engine) get() pulumirpc.EngineClient {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client == nil && e.address != "" {
		connection, err := grpc.NewClient("passthrough:///"+e.address,
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err == nil {
			e.client = pulumirpc.NewEngineClient(connection)
		}
	}
	return e.client
}

// logger speaks to the user about one resource.
type logger interface {
	// status shows a line beside the resource until the next one comes.
	status(message string)
	// message shows a line that stays.
	message(severity pulumirpc.LogSeverity, message string)
}

func (e *engine) logger(urn string) logger { return engineLogger{engine: e, urn: urn} }

type engineLogger struct {
	engine *engine
	urn    string
}

func (l engineLogger) status(message string) { l.send(pulumirpc.LogSeverity_INFO, message, true) }

func (l engineLogger) message(severity pulumirpc.LogSeverity, message string) {
	l.send(severity, message, false)
}

func (l engineLogger) send(severity pulumirpc.LogSeverity, message string, ephemeral bool) {
	client := l.engine.get()
	if client == nil {
		return
	}
	// An engine that is gone can't be told anything; the operation itself will find out.
	_, _ = client.Log(context.Background(), &pulumirpc.LogRequest{
		Severity: severity, Urn: l.urn, Ephemeral: ephemeral, Message: strings.ToValidUTF8(message, "\uFFFD"),
	})
}

// lineLogger shows text line by line, as Go's bufio.Scanner splits it: at line feeds, a carriage return before one left
// out. It gives up at a line that is too long.
type lineLogger struct {
	partial []byte
	tooLong bool
	lines   chan string
	done    chan struct{}
}

func newLineLogger(log logger) *lineLogger {
	l := &lineLogger{lines: make(chan string, 256), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for line := range l.lines {
			log.status(line)
		}
	}()
	return l
}

func (l *lineLogger) write(text []byte) {
	if l.tooLong {
		return
	}
	l.partial = append(l.partial, text...)
	for {
		end := bytes.IndexByte(l.partial, '\n')
		if end < 0 && len(l.partial) >= longestLine || end >= longestLine {
			l.tooLong, l.partial = true, nil
			return
		}
		if end < 0 {
			return
		}
		l.lines <- string(bytes.TrimSuffix(l.partial[:end], []byte("\r")))
		l.partial = l.partial[end+1:]
	}
}

// close shows what came last; it tells whether a line was too long.
func (l *lineLogger) close() bool {
	if len(l.partial) > 0 {
		l.lines <- string(bytes.TrimSuffix(l.partial, []byte("\r")))
	}
	close(l.lines)
	<-l.done
	return l.tooLong
}
