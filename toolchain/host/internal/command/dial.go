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

// dial connects to the machine, through the proxy if there is one, trying again as often as dialErrorLimit allows.
func (c *connection) dial(ctx context.Context, task task) (*ssh.Client, error) {
	if task.dial > 0 {
		bounded, cancel := context.WithTimeout(ctx, task.dial)
		defer cancel()
		ctx = bounded
	}
	network := dialer((&net.Dialer{}).DialContext)
	if c.Proxy != nil {
		proxy, err := c.Proxy.dialWithRetry(ctx, task.log, "Dial proxy", network)
		if err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		client, err := c.dialWithRetry(ctx, task.log, "Dial from proxy", proxy.DialContext)
		if err != nil {
			_ = proxy.Close()
			return nil, fmt.Errorf("proxy: %w", err)
		}
		go func() {
			_ = client.Wait() // the proxy's connection is needed as long as the client's
			_ = proxy.Close()
		}()
		return client, nil
	}
	return c.dialWithRetry(ctx, task.log, "Dial", network)
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func (c *connection) dialWithRetry(ctx context.Context, log logger, what string, network dialer) (*ssh.Client, error) {
	limit, shown := 10, "10"
	if c.DialErrorLimit != nil {
		limit = int(*c.DialErrorLimit)
		shown = strconv.Itoa(limit)
	}
	if limit < 0 {
		shown = "inf"
	}
	pause := firstPause
	for attempt := 0; ; attempt++ {
		client, err := c.dialOnce(ctx, network)
		if err == nil {
			return client, nil
		}
		var setting *settingError
		if errors.As(err, &setting) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("stopped dialing after %d failed attempts: %w", attempt+1, err)
		}
		if limit >= 0 && attempt >= limit {
			return nil, fmt.Errorf("after %d failed attempts: %w", attempt, err)
		}
		log.status(fmt.Sprintf("%s %d/%s failed: retrying (%v)", what, attempt+1, shown, err))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(time.Duration(float64(pause)*pauseFactor), longestWait)
	}
}

// dialOnce dials and shakes hands, both within perDialTimeout.
func (c *connection) dialOnce(ctx context.Context, network dialer) (*ssh.Client, error) {
	config, release, err := c.clientConfig()
	if err != nil {
		return nil, err
	}
	defer release()
	if c.PerDialTimeout != nil && *c.PerDialTimeout > 0 {
		bounded, cancel := context.WithTimeout(ctx, time.Duration(*c.PerDialTimeout*float64(time.Second)))
		defer cancel()
		ctx = bounded
	}
	address := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	conn, err := network(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	// A server that accepts and then says nothing would hang the handshake for ever.
	interrupted := context.AfterFunc(ctx, func() { _ = conn.Close() })
	sshConn, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if !interrupted() && err == nil {
		err = context.Cause(ctx)
		_ = sshConn.Close()
	}
	if err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("ssh: no handshake with %s in time: %w", address, err)
		}
		return nil, err
	}
	return ssh.NewClient(sshConn, channels, requests), nil
}

// settingError is one that trying again can't mend.
type settingError struct{ error }

func (e *settingError) Unwrap() error { return e.error }

// clientConfig turns the connection into SSH's terms; release ends what authentication needed.
func (c *connection) clientConfig() (config *ssh.ClientConfig, release func(), err error) {
	config = &ssh.ClientConfig{User: c.User, HostKeyCallback: ssh.InsecureIgnoreHostKey()} //nolint:gosec // see hostKey
	release = func() {}
	if c.HostKey != nil {
		key, err := parseHostKey(*c.HostKey)
		if err != nil {
			return nil, nil, &settingError{fmt.Errorf("connection.hostKey: %w", err)}
		}
		config.HostKeyCallback = ssh.FixedHostKey(key)
		config.HostKeyAlgorithms = algorithmsOf(key)
	}
	if c.PrivateKey != nil {
		signer, err := parsePrivateKey(*c.PrivateKey, c.PrivateKeyPassword)
		if err != nil {
			return nil, nil, &settingError{fmt.Errorf("connection.privateKey: %w", err)}
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
	if socket == "" {
		return config, release, nil
	}
	conn, err := net.Dial("unix", socket)
	switch {
	case err == nil:
		config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
		release = func() { _ = conn.Close() }
	case c.AgentSocketPath != nil || len(config.Auth) == 0:
		return nil, nil, &settingError{fmt.Errorf("the SSH agent can't be reached: %w", err)}
	}
	return config, release, nil
}

func parsePrivateKey(text string, password *string) (ssh.Signer, error) {
	if password != nil {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(text), []byte(*password))
	}
	return ssh.ParsePrivateKey([]byte(text))
}

// parseHostKey reads a public key as in authorized_keys ("ssh-ed25519 AAAA...").
func parseHostKey(text string) (ssh.PublicKey, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("is no public key: give the type and the key of the machine's /etc/ssh/ssh_host_*_key.pub, "+
			"e.g. \"ssh-ed25519 AAAA...\" (%w)", err)
	}
	return key, nil
}

// algorithmsOf asks the server for the key that is pinned, when it has several.
func algorithmsOf(key ssh.PublicKey) []string {
	if key.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
	}
	return []string{key.Type()}
}
