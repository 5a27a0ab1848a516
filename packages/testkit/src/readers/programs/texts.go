// Go's readers of JSON, into a map and into a struct, and of queries. See frames.ts for the frames, texts.ts for the entries.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime"
	"strconv"
)

type entries [][]interface{}

func (found *entries) add(path string, value string) {
	*found = append(*found, []interface{}{path, base64.StdEncoding.EncodeToString([]byte(value)), false})
}

func (found *entries) walk(path string, value interface{}) {
	switch read := value.(type) {
	case map[string]interface{}:
		found.add(path, "{}")
		for name, inner := range read {
			found.walk(path+"\x1f"+name, inner)
		}
	case []interface{}:
		found.add(path, "[]")
		for at, inner := range read {
			found.walk(path+"\x1f"+strconv.Itoa(at), inner)
		}
	case string:
		found.add(path, "text "+read)
	case nil:
		found.add(path, "null")
	case bool:
		found.add(path, strconv.FormatBool(read))
	case json.Number:
		found.add(path, "number "+read.String())
	}
}

// What a service declares; encoding/json fills it from names in any letter case.
type call struct {
	Prompt         interface{} `json:"prompt"`
	NumImages      interface{} `json:"num_images"`
	RenderingSpeed interface{} `json:"rendering_speed"`
	Seed           interface{} `json:"seed"`
	Model          interface{} `json:"model"`
	WebhookURL     interface{} `json:"webhook_url"`
	ImageRequest   *struct {
		NumImages interface{} `json:"num_images"`
		Model     interface{} `json:"model"`
	} `json:"image_request"`
}

func numbered(body []byte, into interface{}) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	return decoder.Decode(into)
}

func ofMap(body []byte) (entries, error) {
	var value interface{}
	found := entries{}
	if err := numbered(body, &value); err != nil {
		return found, err
	}
	found.walk("", value)
	return found, nil
}

func ofStruct(body []byte) (entries, error) {
	var read call
	found := entries{}
	if err := numbered(body, &read); err != nil {
		return found, err
	}
	members := map[string]interface{}{
		"prompt": read.Prompt, "num_images": read.NumImages, "rendering_speed": read.RenderingSpeed,
		"seed": read.Seed, "model": read.Model, "webhook_url": read.WebhookURL,
	}
	if read.ImageRequest != nil {
		members["image_request\x1fnum_images"] = read.ImageRequest.NumImages
		members["image_request\x1fmodel"] = read.ImageRequest.Model
	}
	for name, value := range members {
		if value != nil {
			found.walk("\x1f"+name, value)
		}
	}
	return found, nil
}

func ofQuery(body []byte) (entries, error) {
	found := entries{}
	values, err := url.ParseQuery(string(body))
	for name, list := range values {
		for _, value := range list {
			found.add(name, value)
		}
	}
	return found, err
}

func main() {
	readers := map[string]func([]byte) (entries, error){"map": ofMap, "struct": ofStruct, "query": ofQuery}
	read := readers[os.Args[1]]
	input := bufio.NewReaderSize(os.Stdin, 1<<16)
	output := json.NewEncoder(os.Stdout)
	output.Encode(map[string]string{"version": runtime.Version()})
	for {
		var typeBytes, bodyBytes int
		line, err := input.ReadString('\n')
		if err != nil {
			return
		}
		fmt.Sscan(line, &typeBytes, &bodyBytes)
		frame := make([]byte, typeBytes+bodyBytes)
		if _, err := io.ReadFull(input, frame); err != nil {
			return
		}
		found, err := read(frame[typeBytes:])
		answer := map[string]interface{}{"entries": found}
		if err != nil {
			answer["refused"] = err.Error()
		}
		output.Encode(answer)
	}
}
