package command

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestDialTriesAgainAsOftenAsAllowed(t *testing.T) {
	server := newServer(t)
	p, engine := newProvider(t)
	server.refuseNext = 2
	_, err := createRemote(t, p, map[string]any{
		"connection": server.connection(map[string]any{"dialErrorLimit": 2}), "create": "true",
	})
	must(t, err)
	engine.mu.Lock()
	shown := strings.Join(engine.lines, "\n")
	engine.mu.Unlock()
	if !strings.Contains(shown, "Dial 1/2 failed: retrying") || !strings.Contains(shown, "Dial 2/2 failed: retrying") {
		t.Errorf("shown: %q", shown)
	}
	server.mu.Lock()
	server.refuseNext = 2
	server.mu.Unlock()
	_, err = createRemote(t, p, map[string]any{
		"connection": server.connection(map[string]any{"dialErrorLimit": 1}), "create": "true",
	})
	wantError(t, err, "after 1 failed attempts: ")
}

func TestPinnedHostKeyIsChecked(t *testing.T) {
	server, other := newServer(t), newServer(t)
	p, _ := newProvider(t)
	_, err := createRemote(t, p, map[string]any{
		"connection": server.connection(map[string]any{"hostKey": other.hostKey}), "create": "true",
	})
	wantError(t, err, "host key mismatch")
}

func TestPasswordWrongKeyAndBadKey(t *testing.T) {
	server, other := newServer(t), newServer(t)
	p, _ := newProvider(t)
	connection := server.connection(map[string]any{"password": "right"})
	delete(connection, "privateKey")
	_, err := createRemote(t, p, map[string]any{"connection": connection, "create": "true"})
	must(t, err)
	_, err = createRemote(t, p, map[string]any{
		"connection": server.connection(map[string]any{"privateKey": other.clientKey}), "create": "true",
	})
	wantError(t, err, "unable to authenticate")
	_, err = createRemote(t, p, map[string]any{
		"connection": server.connection(map[string]any{"privateKey": "no key", "dialErrorLimit": 1000}), "create": "true",
	})
	wantError(t, err, "connection.privateKey")
}

func TestProxyCarriesTheConnection(t *testing.T) {
	proxy, server := newServer(t), newServer(t)
	p, _ := newProvider(t)
	connection := server.connection(map[string]any{"proxy": proxy.connection(nil)})
	made, err := createRemote(t, p, map[string]any{"connection": connection, "create": "echo inside"})
	must(t, err)
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if made.Properties.Fields["stdout"].GetStringValue() != "inside" || proxy.forwarded != 1 {
		t.Errorf("outputs %v, forwarded %d", made.Properties, proxy.forwarded)
	}
}

func TestASilentServerIsGivenUpInTime(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, never speaks
	must(t, err)
	defer listener.Close()
	server := newServer(t)
	p, _ := newProvider(t)
	started := time.Now()
	_, err = createRemote(t, p, map[string]any{
		"connection": server.connection(map[string]any{
			"port": listener.Addr().(*net.TCPAddr).Port, "perDialTimeout": 1,
		}), "create": "true",
	})
	wantError(t, err, "no handshake with 127.0.0.1")
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestAStaleAgentOfTheEnvironmentDoesNotHinderAKey(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", t.TempDir()+"/gone")
	server := newServer(t)
	p, _ := newProvider(t)
	_, err := createRemote(t, p, map[string]any{"connection": server.connection(nil), "create": "true"})
	must(t, err)
	_, err = createRemote(t, p, map[string]any{
		"connection": server.connection(map[string]any{"agentSocketPath": os.Getenv("SSH_AUTH_SOCK")}), "create": "true",
	})
	wantError(t, err, "the SSH agent can't be reached")
}

func TestPinnedKeyDecidesTheAlgorithm(t *testing.T) {
	server := newServer(t)
	key, err := parseHostKey(server.hostKey + " a comment")
	must(t, err)
	if algorithms := algorithmsOf(key); len(algorithms) != 1 || algorithms[0] != ssh.KeyAlgoED25519 {
		t.Errorf("algorithms %q", algorithms)
	}
}
