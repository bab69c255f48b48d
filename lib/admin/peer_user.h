// Which user of this machine is at the other end of a connection: what the kernel says, not what
// the caller says. For records; access does not depend on it.
#pragma once

#include <string>

namespace failoverd::admin {

// Of a connected socket, TCP or unix: the login name from /etc/passwd, or "uid 1234". Empty: it is
// another machine's, or the kernel does not tell. Never waits for a name service.
std::string user_behind(int socket);

}  // namespace failoverd::admin
