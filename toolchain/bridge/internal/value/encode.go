package value

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"google.golang.org/protobuf/types/known/structpb"

	"tandem.local/toolchain/bridge/internal/shape"
)

// Problem is something wrong with one property of the input.
type Problem struct {
	Property string // Pulumi path, e.g. ports[0].internal
	Reason   string
}

func (p Problem) Error() string { return p.Property + ": " + p.Reason }

// Encoder makes cty values of plain Pulumi values.
type Encoder struct {
	Strict   bool // report properties that the schema does not have
	JSON     bool // nested values may come as JSON text, as in provider configuration
	Problems []Problem
}

// Object encodes the properties of an object.
func (e *Encoder) Object(node *shape.Node, object *structpb.Struct, path string) cty.Value {
	values := make(map[string]cty.Value, len(node.Fields))
	used := 0
	for _, field := range node.Fields {
		v, given := object.GetFields()[field.Pulumi]
		if field.Pulumi == "" {
			given = false
		}
		if given {
			used++
		}
		values[field.TF] = e.field(field.Node, v, shape.Join(path, field.Pulumi))
	}
	if e.Strict && used < len(object.GetFields()) {
		e.unknownProperties(node, object, path)
	}
	return cty.ObjectVal(values)
}

func (e *Encoder) unknownProperties(node *shape.Node, object *structpb.Struct, path string) {
	for key := range object.GetFields() {
		if strings.HasPrefix(key, "__") || node.ByPulumi(key) != nil {
			continue
		}
		var names []string
		for _, field := range node.Fields {
			if field.Pulumi != "" && field.Input() {
				names = append(names, field.Pulumi)
			}
		}
		sort.Strings(names)
		e.problem(shape.Join(path, key), "there is no such property; there are "+strings.Join(names, ", "))
	}
}

func (e *Encoder) problem(path, reason string) {
	e.Problems = append(e.Problems, Problem{path, reason})
}

func (e *Encoder) field(node *shape.Node, v *structpb.Value, path string) cty.Value {
	if isNull(v) {
		return Absent(node)
	}
	if e.JSON && !node.Type.IsPrimitiveType() {
		if text, ok := v.GetKind().(*structpb.Value_StringValue); ok && text.StringValue != Unknown {
			var decoded structpb.Value
			if err := json.Unmarshal([]byte(text.StringValue), &decoded); err != nil {
				e.problem(path, "it is not valid JSON")
				return Absent(node)
			}
			v, _ = Plain(&decoded)
		}
	}
	return e.encode(node, v, path)
}

// Absent is the value of a property that is not given.
func Absent(node *shape.Node) cty.Value {
	switch {
	case !node.Block:
		return cty.NullVal(node.Type)
	case node.Type.IsListType():
		return cty.ListValEmpty(node.Type.ElementType())
	case node.Type.IsSetType():
		return cty.SetValEmpty(node.Type.ElementType())
	case node.Type.IsMapType():
		return cty.MapValEmpty(node.Type.ElementType())
	default:
		return cty.NullVal(node.Type)
	}
}

func isNull(v *structpb.Value) bool {
	_, null := v.GetKind().(*structpb.Value_NullValue)
	return v == nil || null
}

func (e *Encoder) encode(node *shape.Node, v *structpb.Value, path string) cty.Value {
	if isNull(v) {
		return cty.NullVal(node.Type)
	}
	if v.GetStringValue() == Unknown {
		return cty.UnknownVal(node.Type)
	}
	switch signature(v) {
	case assetSignature, archiveSig:
		e.problem(path, "an asset can't be given here: give its text or its path")
		return cty.NullVal(node.Type)
	}
	kind := node.Type
	switch {
	case kind.IsListType() || kind.IsSetType():
		return e.sequence(node, v, path)
	case kind.IsMapType():
		return e.mapping(node, v, path)
	case kind.IsObjectType():
		if v.GetStructValue() == nil {
			e.problem(path, "it must be an object")
			return cty.NullVal(kind)
		}
		return e.Object(node, v.GetStructValue(), path)
	default:
		return e.primitive(kind, v, path)
	}
}

func (e *Encoder) sequence(node *shape.Node, v *structpb.Value, path string) cty.Value {
	list, isList := v.GetKind().(*structpb.Value_ListValue)
	var elements []cty.Value
	switch {
	case node.One && !isList:
		elements = []cty.Value{e.encode(node.Elem, v, path)}
	case !isList:
		e.problem(path, "it must be a list")
		return Absent(node)
	default:
		for i, element := range list.ListValue.Values {
			elements = append(elements, e.encode(node.Elem, element, fmt.Sprintf("%s[%d]", path, i)))
		}
	}
	switch {
	case node.Type.IsSetType() && len(elements) == 0:
		return cty.SetValEmpty(node.Elem.Type)
	case node.Type.IsSetType():
		return cty.SetVal(elements)
	case len(elements) == 0:
		return cty.ListValEmpty(node.Elem.Type)
	default:
		return cty.ListVal(elements)
	}
}

func (e *Encoder) mapping(node *shape.Node, v *structpb.Value, path string) cty.Value {
	object := v.GetStructValue()
	if object == nil {
		e.problem(path, "it must be a map")
		return Absent(node)
	}
	values := map[string]cty.Value{}
	for key, element := range object.Fields {
		if !strings.HasPrefix(key, "__") {
			values[key] = e.encode(node.Elem, element, shape.Join(path, key))
		}
	}
	if len(values) == 0 {
		return cty.MapValEmpty(node.Elem.Type)
	}
	return cty.MapVal(values)
}

func (e *Encoder) primitive(kind cty.Type, v *structpb.Value, path string) cty.Value {
	var value cty.Value
	switch given := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		value = cty.StringVal(given.StringValue)
	case *structpb.Value_BoolValue:
		value = cty.BoolVal(given.BoolValue)
	case *structpb.Value_NumberValue:
		value = cty.NumberFloatVal(given.NumberValue)
	case *structpb.Value_ListValue, *structpb.Value_StructValue:
		if kind != cty.DynamicPseudoType {
			e.problem(path, "it must be a "+kind.FriendlyName())
			return cty.NullVal(kind)
		}
		value = dynamicValue(v)
	}
	converted, err := convert.Convert(value, kind)
	if err != nil {
		e.problem(path, err.Error())
		return cty.NullVal(kind)
	}
	return converted
}

func dynamicValue(v *structpb.Value) cty.Value {
	switch given := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		if given.StringValue == Unknown {
			return cty.DynamicVal
		}
		return cty.StringVal(given.StringValue)
	case *structpb.Value_BoolValue:
		return cty.BoolVal(given.BoolValue)
	case *structpb.Value_NumberValue:
		return cty.NumberFloatVal(given.NumberValue)
	case *structpb.Value_ListValue:
		elements := make([]cty.Value, len(given.ListValue.Values))
		for i, element := range given.ListValue.Values {
			elements[i] = dynamicValue(element)
		}
		return cty.TupleVal(elements)
	case *structpb.Value_StructValue:
		fields := map[string]cty.Value{}
		for key, field := range given.StructValue.Fields {
			fields[key] = dynamicValue(field)
		}
		return cty.ObjectVal(fields)
	default:
		return cty.NullVal(cty.DynamicPseudoType)
	}
}
