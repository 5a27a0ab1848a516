// Go's reader of forms. See frames.ts for the frames.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"sort"
)

func read(contentType string, body []byte) map[string]interface{} {
	entries := [][]interface{}{}
	request, err := http.NewRequest("POST", "/", bytes.NewReader(body))
	if err == nil {
		request.Header.Set("Content-Type", contentType)
		err = request.ParseMultipartForm(1 << 26)
	}
	if err != nil {
		return map[string]interface{}{"entries": entries, "refused": err.Error()}
	}
	form := request.MultipartForm
	for _, name := range names(form.Value) {
		for _, value := range form.Value[name] {
			entries = append(entries, []interface{}{name, base64.StdEncoding.EncodeToString([]byte(value)), false})
		}
	}
	for name, files := range form.File {
		for _, header := range files {
			file, err := header.Open()
			if err != nil {
				return map[string]interface{}{"entries": entries, "refused": err.Error()}
			}
			content, _ := io.ReadAll(file)
			file.Close()
			entries = append(entries, []interface{}{name, base64.StdEncoding.EncodeToString(content), true})
		}
	}
	form.RemoveAll()
	return map[string]interface{}{"entries": entries}
}

func names(values map[string][]string) []string {
	found := []string{}
	for name := range values {
		found = append(found, name)
	}
	sort.Strings(found)
	return found
}

func main() {
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
		output.Encode(read(string(frame[:typeBytes]), frame[typeBytes:]))
	}
}
