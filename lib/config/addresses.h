// What is wrong with an address or a path that somebody wrote: nullopt, or the rest of the sentence
// that begins with it ("is not ...: write ..."). Looks at the text only: never resolves a name,
// never touches the disk.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace failoverd::config {

using Problem = std::optional<std::string>;

// HOST:PORT[,HOST:PORT...]; a host is a name, an IPv4 address or an IPv6 address in brackets.
Problem check_ensemble(std::string_view text);

// IP:PORT or [IPV6]:PORT.
Problem check_listen_address(std::string_view text);

// The same, or nothing.
Problem check_listen_address_or_none(std::string_view text);

// A znode's path that is not the root of all: absolute, no slash at the end, no empty part.
Problem check_znode_path(std::string_view text);

// An absolute path of a file or directory.
Problem check_path(std::string_view text);
Problem check_path_or_none(std::string_view text);

// The same, short enough for a unix socket, or nothing.
Problem check_socket_path_or_none(std::string_view text);

}  // namespace failoverd::config
