package server

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/zclconf/go-cty/cty"

	"tandem.local/toolchain/bridge/internal/shape"
)

// object is a JSON object of Pulumi's package schema.
type object = map[string]any

// GetSchema describes the mapped resource types and functions as a Pulumi package schema.
func (s *Server) GetSchema(
	context.Context, *pulumirpc.GetSchemaRequest,
) (*pulumirpc.GetSchemaResponse, error) {
	types := object{}
	resources, functions := object{}, object{}
	for token, mapped := range s.mapping.Resources {
		kind, err := s.resource(token)
		if err != nil {
			return nil, err
		}
		described := describe(types, token, kind.node, func(f *shape.Field) bool { return f.TF != "id" })
		inputs := describe(types, token, kind.node, inputOf)
		if mapped.Autoname != nil {
			inputs.required = slices.DeleteFunc(inputs.required,
				func(name string) bool { return name == mapped.Autoname.Property })
		}
		resources[token] = object{"properties": described.properties, "required": described.required,
			"inputProperties": inputs.properties, "requiredInputs": inputs.required}
	}
	for token := range s.mapping.Functions {
		kind, err := s.function(token)
		if err != nil {
			return nil, err
		}
		inputs := describe(types, token, kind.node, inputOf)
		outputs := describe(types, token, kind.node, func(*shape.Field) bool { return true })
		functions[token] = object{
			"inputs":  object{"type": "object", "properties": inputs.properties, "required": inputs.required},
			"outputs": object{"type": "object", "properties": outputs.properties, "required": outputs.required},
		}
	}
	kind, err := s.configKind()
	if err != nil {
		return nil, err
	}
	config := describe(types, s.mapping.Name+":index/provider:Provider", kind.node, inputOf)
	for _, name := range s.mapping.Secrets {
		if property, ok := config.properties[name].(object); ok {
			property["secret"] = true
		}
	}
	text, err := json.Marshal(object{
		"name": s.mapping.Name, "version": s.mapping.Version, "types": types,
		"resources": resources, "functions": functions,
		"config":   object{"variables": config.properties},
		"provider": object{"inputProperties": config.properties, "requiredInputs": config.required},
	})
	return &pulumirpc.GetSchemaResponse{Schema: string(text)}, err
}

// inputOf tells whether a field can be set; an id is Pulumi's own matter.
func inputOf(field *shape.Field) bool { return field.Input() && field.TF != "id" }

type described struct {
	properties object
	required   []string
}

// describe lists the wanted fields of an object; objects inside it become types named after path.
func describe(types object, path string, node *shape.Node, wanted func(*shape.Field) bool) described {
	d := described{object{}, []string{}}
	for _, field := range node.Fields {
		if field.Pulumi == "" || !wanted(field) {
			continue
		}
		property := typeOf(types, path, field.Pulumi, field.Node)
		if field.Description != "" {
			property["description"] = field.Description
		}
		if field.Sensitive {
			property["secret"] = true
		}
		if field.Deprecated {
			property["deprecationMessage"] = "deprecated by the provider"
		}
		d.properties[field.Pulumi] = property
		if field.Required {
			d.required = append(d.required, field.Pulumi)
		}
	}
	slices.Sort(d.required)
	return d
}

func typeOf(types object, path, name string, node *shape.Node) object {
	switch kind := node.Type; {
	case node.One:
		return typeOf(types, path, name, node.Elem)
	case kind.IsListType() || kind.IsSetType():
		return object{"type": "array", "items": typeOf(types, path, name, node.Elem)}
	case kind.IsMapType():
		return object{"type": "object", "additionalProperties": typeOf(types, path, name, node.Elem)}
	case kind.IsObjectType():
		// pkg:mod/res:Res and prop make pkg:mod/ResProp:ResProp, as the official schemas do.
		head, last := path[:strings.LastIndex(path, ":")], path[strings.LastIndex(path, ":")+1:]
		head = head[:strings.LastIndex(head, "/")+1]
		child := strings.ToUpper(last[:1]) + last[1:] + strings.ToUpper(name[:1]) + name[1:]
		token := head + child + ":" + child
		if _, seen := types[token]; !seen {
			types[token] = object{}
			d := describe(types, token, node, func(*shape.Field) bool { return true })
			types[token] = object{"type": "object", "properties": d.properties, "required": d.required}
		}
		return object{"$ref": "#/types/" + token}
	case kind == cty.Bool:
		return object{"type": "boolean"}
	case kind == cty.Number:
		return object{"type": "number"}
	case kind == cty.String:
		return object{"type": "string"}
	default:
		return object{"$ref": "pulumi.json#/Any"}
	}
}
