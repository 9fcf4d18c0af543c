package value

import (
	"github.com/zclconf/go-cty/cty"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/bridge/internal/shape"
)

// Object decodes an object value into Pulumi properties: nulls are left out, sensitive attributes are secrets, and
// values that are not known yet are Pulumi's unknown.
func Object(node *shape.Node, v cty.Value) *structpb.Struct {
	fields := map[string]*structpb.Value{}
	for _, field := range node.Fields {
		if field.Pulumi == "" {
			continue
		}
		decoded := decode(field.Node, v.GetAttr(field.TF))
		if decoded == nil {
			continue
		}
		if field.Sensitive {
			decoded = MakeSecret(decoded)
		}
		fields[field.Pulumi] = decoded
	}
	return &structpb.Struct{Fields: fields}
}

// decode returns nil for what is not there.
func decode(node *shape.Node, v cty.Value) *structpb.Value {
	if v.IsNull() {
		return nil
	}
	if !v.IsKnown() {
		return structpb.NewStringValue(Unknown)
	}
	kind := node.Type
	switch {
	case kind.IsListType() || kind.IsSetType():
		elements := []*structpb.Value{}
		for it := v.ElementIterator(); it.Next(); {
			_, element := it.Element()
			elements = append(elements, orNull(decode(node.Elem, element)))
		}
		if !node.One {
			return structpb.NewListValue(&structpb.ListValue{Values: elements})
		}
		if len(elements) == 0 {
			return nil
		}
		return elements[0]
	case kind.IsMapType():
		fields := map[string]*structpb.Value{}
		for it := v.ElementIterator(); it.Next(); {
			key, element := it.Element()
			fields[key.AsString()] = orNull(decode(node.Elem, element))
		}
		return structpb.NewStructValue(&structpb.Struct{Fields: fields})
	case kind.IsObjectType():
		return structpb.NewStructValue(Object(node, v))
	default:
		return primitive(v)
	}
}

func primitive(v cty.Value) *structpb.Value {
	switch kind := v.Type(); {
	case kind == cty.String:
		return structpb.NewStringValue(v.AsString())
	case kind == cty.Bool:
		return structpb.NewBoolValue(v.True())
	case kind == cty.Number:
		number, _ := v.AsBigFloat().Float64()
		return structpb.NewNumberValue(number)
	case kind.IsObjectType() || kind.IsMapType():
		fields := map[string]*structpb.Value{}
		for it := v.ElementIterator(); it.Next(); {
			key, element := it.Element()
			fields[key.AsString()] = orNull(anyValue(element))
		}
		return structpb.NewStructValue(&structpb.Struct{Fields: fields})
	default:
		elements := []*structpb.Value{}
		for it := v.ElementIterator(); it.Next(); {
			_, element := it.Element()
			elements = append(elements, orNull(anyValue(element)))
		}
		return structpb.NewListValue(&structpb.ListValue{Values: elements})
	}
}

func anyValue(v cty.Value) *structpb.Value {
	return decode(&shape.Node{Type: cty.DynamicPseudoType}, v)
}

func orNull(v *structpb.Value) *structpb.Value {
	if v == nil {
		return structpb.NewNullValue()
	}
	return v
}
