#!/usr/bin/env bash
# make-users.sh DIR SUPERLINK SUPERLINK_CA TEACHER.toml GATEWAY_USER SUPERNODE_USER APP_USER GROUP:
# as root, three folders of three users; GROUP is that of APP_USER, and may use the socket.
set -euo pipefail
dir=$1 superlink=$2 superlink_ca=$3 teacher=$(realpath "$4")
gateway_user=$5 supernode_user=$6 app_user=$7 group=$8
umask 022
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
umask 077
mkdir -p "$dir/gateway" "$dir/supernode" "$dir/app" "$dir/socket"
port=${RUNTIME_PORT:-9094}
[[ -e $dir/supernode/node ]] || fedsa deploy node-key "$dir/supernode/node"
install -m 644 "$superlink_ca" "$dir/supernode/superlink-ca.crt"
# The SuperNode hands work to who knows this secret; each of the two has a copy of it.
head -c 32 /dev/urandom | base64 > "$dir/supernode/secret"
cp "$dir/supernode/secret" "$dir/app/secret"
printf 'GATEWAY=unix://%q/socket/gateway.sock\nTEACHERS=%q\n' "$dir" "$teacher" \
  > "$dir/gateway/gateway.env"
cat > "$dir/supernode/supernode.env" <<ENV
SUPERLINK=$superlink
NODE_CONFIG='gateway="unix://$dir/socket/gateway.sock"'
RUNTIME_PORT=$port
SUPERNODE_OPTIONS="--isolation process --superexec-auth-secret-file secret"
ENV
echo "RUNTIME_PORT=$port" > "$dir/app/app.env"
chown -R "$gateway_user" "$dir/gateway"
chown -R "$supernode_user" "$dir/supernode"
chown -R "$app_user:$group" "$dir/app"
# The socket takes the folder's group; nobody else gets as far as the socket.
chown "$gateway_user:$group" "$dir/socket"
chmod 2750 "$dir/socket"
echo "next: send $dir/supernode/node.pub to the coordinator"
