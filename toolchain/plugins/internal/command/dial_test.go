package command

import (
	"crypto/rand"
	"crypto/rsa"
	"net"
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
	wantError(t, err, "ssh: no key found")
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

func TestASilentServerFailsAtOnce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, never speaks
	must(t, err)
	defer listener.Close()
	silence = 200 * time.Millisecond
	defer func() { silence = 60 * time.Second }()
	server := newServer(t)
	p, engine := newProvider(t)
	_, err = createRemote(t, p, map[string]any{
		"connection": server.connection(map[string]any{
			"port": listener.Addr().(*net.TCPAddr).Port, "dialErrorLimit": 60,
		}), "create": "true",
	})
	wantError(t, err, "would wait for ever")
	if engine.seen("Dial 1/60 failed: retrying") {
		t.Error("it was tried again")
	}
}

func TestAnAgentThatIsGoneFailsAlthoughThereIsAKey(t *testing.T) {
	server := newServer(t)
	p, _ := newProvider(t)
	gone := t.TempDir() + "/gone"
	_, err := createRemote(t, p, map[string]any{
		"connection": server.connection(map[string]any{"agentSocketPath": gone}), "create": "true",
	})
	wantError(t, err, "dial unix "+gone)
	t.Setenv("SSH_AUTH_SOCK", gone)
	_, err = createRemote(t, p, map[string]any{"connection": server.connection(nil), "create": "true"})
	wantError(t, err, "dial unix "+gone)
	t.Setenv("SSH_AUTH_SOCK", "")
	_, err = createRemote(t, p, map[string]any{"connection": server.connection(nil), "create": "true"})
	must(t, err)
}

func TestOnlyThePinnedKeysOwnTypeIsAskedFor(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	signer, err := ssh.NewSignerFromKey(key)
	must(t, err)
	server := newServer(t)
	p, _ := newProvider(t)
	// As OpenSSH 8.8 and newer have it: the RSA key is there, but not by the name ssh-rsa.
	modern, err := ssh.NewSignerWithAlgorithms(signer.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256})
	must(t, err)
	server.config.AddHostKey(modern)
	_, err = createRemote(t, p, map[string]any{"connection": server.connection(nil), "create": "true"})
	must(t, err)
	_, err = createRemote(t, p, map[string]any{
		"connection": server.connection(map[string]any{"hostKey": string(ssh.MarshalAuthorizedKey(signer.PublicKey()))}),
		"create":     "true",
	})
	wantError(t, err, "no common algorithm for host key")
}
