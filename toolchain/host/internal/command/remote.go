package command

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"golang.org/x/crypto/ssh"
	"google.golang.org/protobuf/types/known/structpb"
)

// remote runs commands on another machine over SSH.
type remote struct{}

func (remote) check(inputs *structpb.Struct, _ commandProperties) []*pulumirpc.CheckFailure {
	return checkConnection(inputs)
}

func (remote) run(ctx context.Context, task task, properties commandProperties, command string, out *capture) error {
	client, err := properties.Connection.dial(ctx, task)
	if err != nil {
		return err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return fmt.Errorf("opening an SSH session: %w", err)
	}
	defer session.Close()
	if err := setenv(session, task.log, properties); err != nil {
		return err
	}
	stdin, err := session.StdinPipe()
	if err != nil {
		return fmt.Errorf("opening the command's standard input: %w", err)
	}
	session.Stdout, session.Stderr = &out.out, &out.err

	out.started = true
	stopped := context.AfterFunc(ctx, func() { stop(client) })
	defer stopped()
	if err := session.Start(command); err != nil {
		return err
	}
	// By hand, because Session.Stdin makes a failure of a command that ended well without reading all of it.
	go func() {
		_, _ = io.WriteString(stdin, properties.Stdin)
		_ = stdin.Close()
	}()
	return session.Wait()
}

//go:embed stop.sh
var stopScript string

// stop ends the commands of a connection. SSH's own signals would be simpler, but OpenSSH refuses them to root.
func stop(client *ssh.Client) {
	if session, err := client.NewSession(); err == nil {
		session.Stdin = strings.NewReader(stopScript)
		_ = session.Run("exec /bin/sh -s") // without /proc there, closing the connection is what is left
		_ = session.Close()
	}
	time.Sleep(stopGrace)
	_ = client.Close()
}

// setenv hands over the environment. What the user asked for must arrive; the previous output may get lost.
func setenv(session *ssh.Session, log logger, properties commandProperties) error {
	for _, name := range slices.Sorted(maps.Keys(properties.Environment)) {
		if err := session.Setenv(name, properties.Environment[name]); err != nil {
			log.message(pulumirpc.LogSeverity_ERROR, refusedVariable(name))
			return fmt.Errorf("could not set environment variable %q: %w", name, err)
		}
	}
	for name, value := range properties.previousOutput() {
		if err := session.Setenv(name, value); err != nil {
			log.message(pulumirpc.LogSeverity_WARNING, refusedVariable(name))
		}
	}
	return nil
}

func refusedVariable(name string) string {
	return fmt.Sprintf("Unable to set '%s': the SSH server takes only the variables its AcceptEnv setting names. "+
		"Add it there, or put it before the command itself ('%s=value command').", name, name)
}
