package command

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"google.golang.org/protobuf/types/known/structpb"
)

// sshServer is a real SSH server in this process: it runs commands with /bin/sh, serves SFTP, forwards connections.
type sshServer struct {
	listener   net.Listener
	config     *ssh.ServerConfig
	hostKey    string // as in authorized_keys
	clientKey  string // a private key it lets in
	acceptEnv  map[string]bool
	mu         sync.Mutex
	forwarded  int
	refuseNext int // so many connections are closed before the handshake
	open       atomic.Int32
}

func newServer(t *testing.T) *sshServer {
	t.Helper()
	_, hostKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	hostSigner, err := ssh.NewSignerFromKey(hostKey)
	must(t, err)
	_, clientKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	clientSigner, err := ssh.NewSignerFromKey(clientKey)
	must(t, err)
	block, err := ssh.MarshalPrivateKey(clientKey, "")
	must(t, err)

	s := &sshServer{
		hostKey:   strings.TrimSpace(string(ssh.MarshalAuthorizedKey(hostSigner.PublicKey()))),
		clientKey: string(pem.EncodeToMemory(block)),
		acceptEnv: map[string]bool{"LANG": true, previousStdout: true},
	}
	s.config = &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) != string(clientSigner.PublicKey().Marshal()) {
				return nil, errors.New("unknown key")
			}
			return nil, nil
		},
		PasswordCallback: func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			if string(password) != "right" {
				return nil, errors.New("wrong password")
			}
			return nil, nil
		},
	}
	s.config.AddHostKey(hostSigner)
	s.listener, err = net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = s.listener.Close() })
	go s.accept()
	return s
}

func (s *sshServer) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// connection returns a working connection, changed by the given values.
func (s *sshServer) connection(changes map[string]any) map[string]any {
	connection := map[string]any{
		"host": "127.0.0.1", "port": s.port(), "user": "root", "privateKey": s.clientKey, "hostKey": s.hostKey,
		"dialErrorLimit": 0, "perDialTimeout": 5,
	}
	for name, value := range changes {
		connection[name] = value
	}
	return connection
}

func (s *sshServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		refuse := s.refuseNext > 0
		if refuse {
			s.refuseNext--
		}
		s.mu.Unlock()
		if refuse {
			_ = conn.Close()
			continue
		}
		go s.serve(conn)
	}
}

func (s *sshServer) serve(conn net.Conn) {
	_, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	s.open.Add(1)
	defer s.open.Add(-1)
	go ssh.DiscardRequests(requests)
	for request := range channels {
		switch request.ChannelType() {
		case "session":
			channel, requests, err := request.Accept()
			if err == nil {
				go s.session(channel, requests)
			}
		case "direct-tcpip":
			go s.forward(request)
		default:
			_ = request.Reject(ssh.UnknownChannelType, "not here")
		}
	}
}

func (s *sshServer) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	env := os.Environ()
	for request := range requests {
		var text struct{ Value string }
		switch request.Type {
		case "env":
			var pair struct{ Name, Value string }
			_ = ssh.Unmarshal(request.Payload, &pair)
			env = append(env, pair.Name+"="+pair.Value)
			_ = request.Reply(s.acceptEnv[pair.Name], nil)
		case "exec":
			_ = ssh.Unmarshal(request.Payload, &text)
			_ = request.Reply(true, nil)
			running := exec.Command("/bin/sh", "-c", text.Value)
			running.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as sshd has it
			running.Env, running.Stdout, running.Stderr = env, channel, channel.Stderr()
			stdin, err := running.StdinPipe() // by hand: an input nobody closes must not keep Wait waiting
			if err != nil || running.Start() != nil {
				return
			}
			go func() {
				_, _ = io.Copy(stdin, channel)
				_ = stdin.Close()
			}()
			go func() {
				_ = running.Wait()
				status := struct{ Status uint32 }{uint32(max(running.ProcessState.ExitCode(), 0))}
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
				_ = channel.Close()
			}()
		case "subsystem":
			_ = request.Reply(true, nil)
			server, err := sftp.NewServer(channel)
			if err == nil {
				go func() {
					_ = server.Serve()
					_ = channel.Close()
				}()
			}
		}
	}
}

func (s *sshServer) forward(request ssh.NewChannel) {
	var target struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	_ = ssh.Unmarshal(request.ExtraData(), &target)
	conn, err := net.Dial("tcp", net.JoinHostPort(target.Host, strconv.Itoa(int(target.Port))))
	if err != nil {
		_ = request.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	channel, requests, err := request.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	s.mu.Lock()
	s.forwarded++
	s.mu.Unlock()
	go func() {
		_, _ = io.Copy(conn, channel)
		_ = conn.Close()
	}()
	_, _ = io.Copy(channel, conn)
	_ = channel.Close()
}

// recorder is a logger that remembers.
type recorder struct {
	mu               sync.Mutex
	lines, permanent []string
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func properties(t *testing.T, values map[string]any) *structpb.Struct {
	t.Helper()
	// structpb knows float64 only.
	var widen func(any) any
	widen = func(value any) any {
		switch typed := value.(type) {
		case int:
			return float64(typed)
		case map[string]any:
			wide := map[string]any{}
			for name, item := range typed {
				wide[name] = widen(item)
			}
			return wide
		}
		return value
	}
	made, err := structpb.NewStruct(widen(values).(map[string]any))
	must(t, err)
	return made
}

func urn(kind string) string { return fmt.Sprintf("urn:pulumi:dev::tests::%s::it", kind) }
