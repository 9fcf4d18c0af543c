package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/host/internal/wire"
)

// commandProperties are the inputs of local.Command and remote.Command, and their outputs of an earlier run.
type commandProperties struct {
	Create, Update, Delete *string

	Triggers               []any             `json:"triggers"`
	Stdin                  string            `json:"stdin"`
	Logging                *string           `json:"logging"`
	Environment            map[string]string `json:"environment"`
	AddPreviousOutputInEnv *bool             `json:"addPreviousOutputInEnv"`

	Connection *connection `json:"connection"` // remote only

	Interpreter []string  `json:"interpreter"` // local only, as the rest
	Dir         string    `json:"dir"`
	AssetPaths  *[]string `json:"assetPaths"`
	Archives    *[]string `json:"archivePaths"`

	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
}

// connection says how to reach a machine; proxy is the machine to go through.
type connection struct {
	User               string      `json:"user"`
	Password           *string     `json:"password"`
	Host               string      `json:"host"`
	Port               float64     `json:"port"`
	PrivateKey         *string     `json:"privateKey"`
	PrivateKeyPassword *string     `json:"privateKeyPassword"`
	AgentSocketPath    *string     `json:"agentSocketPath"`
	DialErrorLimit     *float64    `json:"dialErrorLimit"`
	PerDialTimeout     *float64    `json:"perDialTimeout"`
	HostKey            *string     `json:"hostKey"`
	Proxy              *connection `json:"proxy"`
}

// The defaults of pulumi-command 1.2.1, as its SDK documents them.
var connectionDefaults = map[string]*structpb.Value{
	"user":           structpb.NewStringValue("root"),
	"port":           structpb.NewNumberValue(22),
	"dialErrorLimit": structpb.NewNumberValue(10),
	"perDialTimeout": structpb.NewNumberValue(15),
}

// decode reads properties into target, a pointer to a struct; values not known yet are left out.
func decode(properties *structpb.Struct, target any) error {
	text, err := json.Marshal(wire.PlainStruct(properties))
	if err != nil {
		return fmt.Errorf("encoding the properties: %w", err)
	}
	return json.Unmarshal(text, target)
}

// checkTypes reports a property of the wrong type.
func checkTypes(inputs *structpb.Struct, target any) []*pulumirpc.CheckFailure {
	err := decode(inputs, target)
	for name := range inputs.GetFields() {
		if !slices.Contains(fieldsOf(target), name) && name != "version" && !strings.HasPrefix(name, "__") {
			return failed(name, "is no input of this resource")
		}
	}
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return failed(strings.ToLower(wrong.Field[:1])+wrong.Field[1:], "must be a %s, but is a %s", typeName(wrong.Type), wrong.Value)
	}
	return failed("", "%v", err)
}

// fieldsOf are the JSON names of a pointer to a struct, and the commands.
func fieldsOf(target any) []string {
	names := []string{"create", "update", "delete", "command"}
	kind := reflect.TypeOf(target).Elem()
	for i := range kind.NumField() {
		names = append(names, kind.Field(i).Tag.Get("json"))
	}
	return names
}

// typeName is a Go type in Pulumi's words.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Float64:
		return "number"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		return "list"
	case reflect.Map, reflect.Struct:
		return "map"
	}
	return t.String()
}

// secretsOfConnection are secrets within the connection, which is one as a whole.
var secretsOfConnection = []string{"password", "privateKey", "privateKeyPassword"}

// checkConnection fills in the defaults and makes the connection, and what is secret in it, secrets. A host key is not
// looked at before it is needed.
func checkConnection(inputs *structpb.Struct) []*pulumirpc.CheckFailure {
	value := inputs.Fields["connection"]
	if value == nil {
		return failed("connection", "is required: how to reach the machine, at least its host")
	}
	inputs.Fields["connection"] = wire.Secret(value)
	failures := checkEndpoint("connection", value)
	if proxy := wire.Reveal(value).GetStructValue().GetFields()["proxy"]; proxy != nil {
		failures = append(failures, checkEndpoint("connection.proxy", proxy)...)
	}
	return failures
}

func checkEndpoint(path string, value *structpb.Value) []*pulumirpc.CheckFailure {
	value = wire.Reveal(value)
	if wire.IsUnknown(value) {
		return nil
	}
	fields := value.GetStructValue().GetFields()
	if fields == nil {
		return failed(path, "must be an object with at least the host")
	}
	for name, preset := range connectionDefaults {
		if fields[name] == nil {
			fields[name] = preset
		}
	}
	if fields["host"] == nil {
		return failed(path+".host", "is required: the machine's address")
	}
	for _, name := range secretsOfConnection {
		if fields[name] != nil {
			fields[name] = wire.Secret(fields[name])
		}
	}
	return nil
}

func failed(property, format string, args ...any) []*pulumirpc.CheckFailure {
	return []*pulumirpc.CheckFailure{{Property: property, Reason: fmt.Sprintf(format, args...)}}
}
