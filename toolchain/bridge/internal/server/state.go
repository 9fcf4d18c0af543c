package server

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/zclconf/go-cty/cty"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/bridge/internal/tfplugin"
	"tandem.local/toolchain/bridge/internal/value"
)

const (
	// metaKey is the hidden output in which the official plugins keep Terraform's private state, as JSON text with
	// the schema's version beside it.
	metaKey       = "__meta"
	schemaVersion = "schema_version"
	// timeoutsKey is where Terraform's SDK keeps timeouts in the private state, in nanoseconds.
	timeoutsKey = "e2bfb730-ecaa-11e6-8f88-34363bc7c4c0"
	// Our own entries: private state that is not JSON, and a digest of inputs and outputs that belong together.
	binaryKey  = "_private"
	settledKey = "_settled"
	// earlierMark is one that plugins of before left; it says nothing any more.
	earlierMark = "_tainted"
)

// meta is the content of the hidden output.
type meta map[string]any

func readMeta(outputs *structpb.Struct) meta {
	m := meta{}
	text := outputs.GetFields()[metaKey].GetStringValue()
	if json.Unmarshal([]byte(text), &m) != nil || m == nil {
		return meta{}
	}
	return m
}

func newMeta(private []byte, version int64) meta {
	m := meta{}
	if len(private) > 0 && (json.Unmarshal(private, &m) != nil || m == nil) {
		m = meta{binaryKey: base64.StdEncoding.EncodeToString(private)}
	}
	m[schemaVersion] = strconv.FormatInt(version, 10)
	return m
}

// private is what the provider gave to keep.
func (m meta) private() []byte {
	if text, ok := m[binaryKey].(string); ok {
		private, err := base64.StdEncoding.DecodeString(text)
		if err == nil {
			return private
		}
	}
	rest := map[string]any{}
	for key, v := range m {
		if key != settledKey && key != earlierMark {
			rest[key] = v
		}
	}
	if len(rest) == 0 {
		return nil
	}
	private, err := json.Marshal(rest)
	if err != nil {
		return nil
	}
	return private
}

func (m meta) version(otherwise int64) int64 {
	text, _ := m[schemaVersion].(string)
	if version, err := strconv.ParseInt(text, 10, 64); err == nil {
		return version
	}
	return otherwise
}

func (m meta) store(outputs *structpb.Struct) {
	text, err := json.Marshal(m)
	if err == nil {
		outputs.Fields[metaKey] = structpb.NewStringValue(string(text))
	}
}

// settled is the digest of inputs and the outputs they led to. While neither changes there is nothing to plan, so
// that an `up` without changes starts no provider. The plugin's version is in it: a new one plans afresh.
func (s *Server) settled(inputs, outputs *structpb.Struct) string {
	plainInputs, _ := value.PlainObject(inputs)
	plainOutputs, _ := value.PlainObject(outputs)
	delete(plainOutputs.Fields, metaKey)
	digest := sha256.New()
	encoder := json.NewEncoder(digest)
	for _, part := range []any{s.mapping.Version, plainInputs.AsMap(), plainOutputs.AsMap()} {
		if encoder.Encode(part) != nil {
			return ""
		}
	}
	return hex.EncodeToString(digest.Sum(nil)[:16])
}

// prior makes Terraform's state of the outputs that Pulumi kept, upgraded to the schema of today.
func (s *Server) prior(ctx context.Context, kind *kind, id string, outputs *structpb.Struct) (tfplugin.State, error) {
	plain, _ := value.PlainObject(outputs)
	hidden := readMeta(plain)
	encoder := value.Encoder{}
	state := tfplugin.State{Value: encoder.Object(kind.node, plain, ""), Private: hidden.private()}
	if field := kind.node.ByTF("id"); field != nil && id != "" {
		values := state.Value.AsValueMap()
		values["id"] = cty.StringVal(id)
		state.Value = cty.ObjectVal(values)
	}
	if version := hidden.version(kind.schema.Version); version < kind.schema.Version {
		client, err := s.shared.get(ctx)
		if err != nil {
			return state, err
		}
		upgraded, diagnostics, err := client.Upgrade(ctx, kind.Type, version, state.Value, state.Value.Type())
		if err = errors.Join(err, diagnostics.Err()); err != nil {
			return state, fmt.Errorf("bringing the state of %s from version %d to %d: %w", kind.token, version,
				kind.schema.Version, err)
		}
		state.Value = upgraded
	}
	return state, nil
}

// outputs makes Pulumi's outputs of a Terraform state. Under a key of secrets everything is secret.
func (s *Server) outputs(kind *kind, state tfplugin.State, secrets map[string]bool) *structpb.Struct {
	outputs := value.Object(kind.node, state.Value)
	for key := range secrets {
		if v := outputs.Fields[key]; v != nil {
			outputs.Fields[key] = value.MakeSecret(v)
		}
	}
	newMeta(state.Private, kind.schema.Version).store(outputs)
	return outputs
}

// withTimeout puts Pulumi's customTimeouts for one operation, in seconds, where the provider looks for its own.
func withTimeout(private []byte, operation string, seconds float64) []byte {
	if seconds <= 0 {
		return private
	}
	content := map[string]any{}
	if len(private) > 0 && json.Unmarshal(private, &content) != nil {
		return private // not the SDK's: such a provider has timeouts in its schema only
	}
	timeouts, ok := content[timeoutsKey].(map[string]any)
	if !ok {
		timeouts = map[string]any{}
	}
	timeouts[operation] = int64(seconds * float64(time.Second))
	content[timeoutsKey] = timeouts
	changed, err := json.Marshal(content)
	if err != nil {
		return private
	}
	return changed
}

func identifier(state cty.Value) string {
	if state.IsNull() || !state.Type().HasAttribute("id") {
		return ""
	}
	id := state.GetAttr("id")
	if id.IsNull() || !id.IsKnown() || id.Type() != cty.String {
		return ""
	}
	return id.AsString()
}
