package command

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"golang.org/x/crypto/ssh"
	"google.golang.org/protobuf/types/known/structpb"
)

// remote runs commands on another machine over SSH.
type remote struct{}

func (remote) check(inputs *structpb.Struct) []*pulumirpc.CheckFailure {
	return checkConnection(inputs)
}

// run runs a command to its end: nothing stops it once it has begun. Its connection stays open until this plugin ends,
// as that of the official one does.
func (remote) run(ctx context.Context, task task, properties commandProperties, command string, out *capture) error {
	client, err := properties.Connection.dial(ctx, task)
	if err != nil {
		return err
	}
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	if err := setenv(session, task.log, properties); err != nil {
		return err
	}
	if properties.Stdin != "" {
		session.Stdin = strings.NewReader(properties.Stdin)
	}
	session.Stdout, session.Stderr = &out.out, &out.err
	out.started = true
	return session.Run(command)
}

func (remote) results(commandProperties) (map[string]*structpb.Value, error) { return nil, nil }

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
