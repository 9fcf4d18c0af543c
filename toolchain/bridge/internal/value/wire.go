// Package value converts between Pulumi's property values and Terraform's cty values.
package value

import "google.golang.org/protobuf/types/known/structpb"

// The marks by which Pulumi's wire format tells unusual values (sdk/v3, go/common/resource).
const (
	Unknown         = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
	signatureKey    = "4dabf18193072939515e22adb298388d"
	secretSignature = "1b47061264138c4ac30d75fd1eb44270"
	outputSignature = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
	assetSignature  = "c44067f5952c0a294b673a41bacd8c17"
	archiveSig      = "0def7320c3a5731c473e5ecbe6d01bc7"
	resourceSig     = "5cf8f73096256a8f31e491e813e4eb8e"
)

// MakeSecret wraps a value so that Pulumi encrypts it in its state and hides it.
func MakeSecret(v *structpb.Value) *structpb.Value {
	if signature(v) == secretSignature {
		return v
	}
	return structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		signatureKey: structpb.NewStringValue(secretSignature),
		"value":      v,
	}})
}

func signature(v *structpb.Value) string {
	if object := v.GetStructValue(); object != nil {
		return object.Fields[signatureKey].GetStringValue()
	}
	return ""
}

// Plain strips secrets and outputs from v, all the way down, and tells whether there was a secret.
func Plain(v *structpb.Value) (plain *structpb.Value, secret bool) {
	switch signature(v) {
	case secretSignature:
		plain, _ = Plain(v.GetStructValue().Fields["value"])
		return plain, true
	case outputSignature:
		fields := v.GetStructValue().Fields
		inner, known := fields["value"]
		if !known {
			inner = structpb.NewStringValue(Unknown)
		}
		plain, secret = Plain(inner)
		return plain, secret || fields["secret"].GetBoolValue()
	case resourceSig:
		return v.GetStructValue().Fields["id"], false
	}
	switch kind := v.GetKind().(type) {
	case *structpb.Value_StructValue:
		object, secret := PlainObject(kind.StructValue)
		return structpb.NewStructValue(object), secret
	case *structpb.Value_ListValue:
		list := make([]*structpb.Value, len(kind.ListValue.Values))
		for i, element := range kind.ListValue.Values {
			var inner bool
			list[i], inner = Plain(element)
			secret = secret || inner
		}
		return structpb.NewListValue(&structpb.ListValue{Values: list}), secret
	}
	return v, false
}

// PlainObject is Plain for an object.
func PlainObject(object *structpb.Struct) (plain *structpb.Struct, secret bool) {
	fields := make(map[string]*structpb.Value, len(object.GetFields()))
	for key, v := range object.GetFields() {
		var inner bool
		fields[key], inner = Plain(v)
		secret = secret || inner
	}
	return &structpb.Struct{Fields: fields}, secret
}

// SecretKeys lists the keys of object under which there is a secret.
func SecretKeys(object *structpb.Struct) map[string]bool {
	keys := map[string]bool{}
	for key, v := range object.GetFields() {
		if _, secret := Plain(v); secret {
			keys[key] = true
		}
	}
	return keys
}

// HasUnknown tells whether anything in a plain value is not known yet.
func HasUnknown(v *structpb.Value) bool {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return kind.StringValue == Unknown
	case *structpb.Value_StructValue:
		for _, field := range kind.StructValue.Fields {
			if HasUnknown(field) {
				return true
			}
		}
	case *structpb.Value_ListValue:
		for _, element := range kind.ListValue.Values {
			if HasUnknown(element) {
				return true
			}
		}
	}
	return false
}
