package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// The pauses between dials, those of Pulumi's own retry package: 10 dials take 11 s, 60 some 4.4 minutes.
const (
	firstPause  = 100 * time.Millisecond
	pauseFactor = 1.5
	longestWait = 5 * time.Second
)

// silence is how long a server may take for the handshake. The official plugin waits for ever; here it is an error
// that isn't tried again, so that what would hang there can't succeed here.
var silence = 60 * time.Second

// dial connects to the machine, through the proxy if there is one, trying again as often as dialErrorLimit allows.
func (c *connection) dial(ctx context.Context, task task) (*ssh.Client, error) {
	config, err := c.clientConfig()
	if err != nil {
		return nil, err
	}
	if c.Proxy == nil {
		return retry(ctx, task.log, "Dial", c.DialErrorLimit, func() (*ssh.Client, error) {
			conn, err := net.DialTimeout("tcp", c.address(), config.Timeout)
			if err != nil {
				return nil, err
			}
			return handshake(conn, c.address(), config)
		})
	}
	client, err := c.dialThrough(ctx, task, config)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return client, nil
}

func (c *connection) dialThrough(ctx context.Context, task task, config *ssh.ClientConfig) (*ssh.Client, error) {
	proxyConfig, err := c.Proxy.clientConfig()
	if err != nil {
		return nil, err
	}
	proxy, err := retry(ctx, task.log, "Dial proxy", c.Proxy.DialErrorLimit, func() (*ssh.Client, error) {
		conn, err := net.DialTimeout("tcp", c.Proxy.address(), proxyConfig.Timeout)
		if err != nil {
			return nil, err
		}
		return handshake(conn, c.Proxy.address(), proxyConfig)
	})
	if err != nil {
		return nil, err
	}
	conn, err := retry(ctx, task.log, "Dial from proxy", c.DialErrorLimit, func() (net.Conn, error) {
		return proxy.Dial("tcp", c.address())
	})
	if err != nil {
		return nil, err
	}
	// On this one connection, also after it has failed: so does the official plugin.
	return retry(ctx, task.log, "Dial", c.DialErrorLimit, func() (*ssh.Client, error) {
		return handshake(conn, c.address(), config)
	})
}

func (c *connection) address() string { return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) }

// retry tries until it succeeds, until more than limit tries have failed (10 without one, never for -1), or until ctx ends.
func retry[T any](ctx context.Context, log logger, what string, limit *float64, try func() (T, error)) (T, error) {
	most, shown := 10, "10"
	if limit != nil {
		most = int(*limit)
		shown = strconv.Itoa(most)
	}
	if most == -1 {
		shown = "inf"
	}
	var nothing T
	pause := firstPause
	for attempt := 0; ; attempt++ {
		made, err := try()
		var silent *silentError
		switch {
		case err == nil:
			return made, nil
		case errors.As(err, &silent):
			return nothing, err
		case most > -1 && attempt >= most:
			return nothing, fmt.Errorf("after %d failed attempts: %w", attempt, err)
		}
		log.status(fmt.Sprintf("%s %d/%s failed: retrying", what, attempt+1, shown))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nothing, ctx.Err()
		}
		pause = min(time.Duration(float64(pause)*pauseFactor), longestWait)
	}
}

// silentError is a handshake that never ended.
type silentError struct{ address string }

func (e *silentError) Error() string {
	return fmt.Sprintf("the SSH server at %s took the connection and said nothing for %v, where Pulumi's command plugin "+
		"would wait for ever: see what listens there", e.address, silence)
}

func handshake(conn net.Conn, address string, config *ssh.ClientConfig) (*ssh.Client, error) {
	fired := make(chan struct{})
	timer := time.AfterFunc(silence, func() {
		close(fired)
		_ = conn.Close()
	})
	made, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if !timer.Stop() {
		<-fired
		return nil, &silentError{address}
	}
	if err != nil {
		return nil, err
	}
	return ssh.NewClient(made, channels, requests), nil
}

// clientConfig turns the connection into SSH's terms. Of a pinned key only its own type is asked for: for an RSA key
// that is `ssh-rsa`, which OpenSSH 8.8 and newer refuse.
func (c *connection) clientConfig() (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{User: c.User, HostKeyCallback: ssh.InsecureIgnoreHostKey()} //nolint:gosec // see hostKey
	if c.HostKey != nil {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*c.HostKey))
		if err != nil {
			return nil, fmt.Errorf("failed to parse host key: %w", err)
		}
		config.HostKeyCallback = ssh.FixedHostKey(key)
		config.HostKeyAlgorithms = []string{key.Type()}
	}
	if c.PerDialTimeout != nil {
		config.Timeout = time.Duration(*c.PerDialTimeout * float64(time.Second))
	}
	if c.PrivateKey != nil {
		signer, err := parsePrivateKey(*c.PrivateKey, c.PrivateKeyPassword)
		if err != nil {
			return nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if c.Password != nil {
		config.Auth = append(config.Auth, ssh.Password(*c.Password), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, _ []bool) ([]string, error) {
				answers := make([]string, len(questions))
				for i := range answers {
					answers[i] = *c.Password
				}
				return answers, nil
			}))
	}
	socket := os.Getenv("SSH_AUTH_SOCK")
	if c.AgentSocketPath != nil {
		socket = *c.AgentSocketPath
	}
	if socket != "" || c.AgentSocketPath != nil {
		// One that isn't there fails, although there may be a key or a password.
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	}
	return config, nil
}

func parsePrivateKey(text string, password *string) (ssh.Signer, error) {
	if password != nil {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(text), []byte(*password))
	}
	return ssh.ParsePrivateKey([]byte(text))
}
