# bash completion for kotta; made by `python -m kotta_cli.completion_scripts`; do not edit

# Adds what `kotta __complete KIND` knows, quoted as the word was begun. The line goes along,
# because bash cuts `a:b` and `a=b` in pieces.
_kotta_ask() {
    local line
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\t'*}")
        [[ $line == *:$'\t'* ]] && compopt -o nospace 2>/dev/null
    done < <(kotta __complete "$1" --line "${COMP_LINE:0:COMP_POINT}" "$cur" 2>/dev/null)
}

# Words of a list with commas, after those that are there.
_kotta_list() {
    local before=
    [[ $cur == *,* ]] && before=${cur%,*},
    COMPREPLY=($(compgen -P "$before" -W "$1" -- "${cur##*,}"))
    compopt -o nospace 2>/dev/null
}

_kotta_words() {
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

_kotta_files() {
    # bash 3.2 has no compopt.
    compopt -o default 2>/dev/null || COMPREPLY+=($(compgen "$1" -- "$cur"))
}

_kotta_directories() {
    compopt -o dirnames 2>/dev/null || COMPREPLY=($(compgen -d -- "$cur"))
}

_kotta() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local command= word index=1 only_arguments= equals=
    COMPREPLY=()
    # `--option=value` comes as three words, and so does `job:file`.
    if [[ $cur == [=:] ]]; then
        cur=
        [[ $prev == -* ]] && equals=1 || prev=
    elif [[ $prev == = && ${COMP_WORDS[COMP_CWORD-2]} == -* ]]; then
        prev=${COMP_WORDS[COMP_CWORD-2]} equals=1
    elif [[ $prev == [=:] ]]; then
        prev=
    fi
    while ((index < COMP_CWORD)); do
        word=${COMP_WORDS[index]}
        case "$command $word" in
            ' -p' | ' --profile' | ' --server')
                # Its value is no command; `=` stands between where it is written so.
                [[ ${COMP_WORDS[index+1]} == = ]] && ((index++))
                ((index++)) ;;
            *' --') only_arguments=1 ;;
            *' -'* | *' =') ;;
            ' submit' | ' rerun' | ' wait' | ' cancel' | ' share' | ' list' | ' status' | ' logs' | ' usage' | ' why' | ' diff' | ' queues' | ' fetch' | ' cat' | ' cp' | ' upload' | ' service' | ' serve' | ' login' | ' logout' | ' whoami' | ' token' | ' admin' | ' config' | ' doctor' | ' completion' | ' help') command=$command/$word ;;
            '/service status' | '/service stop' | '/service logs') command=$command/$word ;;
            '/token list' | '/token create' | '/token revoke') command=$command/$word ;;
            '/admin user' | '/admin check' | '/admin backup' | '/admin prune' | '/admin lifecycle' | '/admin restore') command=$command/$word ;;
            '/admin/user add' | '/admin/user list' | '/admin/user invite' | '/admin/user disable' | '/admin/user enable' | '/admin/user role' | '/admin/user limit') command=$command/$word ;;
            '/config get' | '/config set' | '/config unset' | '/config list' | '/config path' | '/config edit') command=$command/$word ;;
            '/completion install' | '/completion uninstall' | '/completion bash' | '/completion zsh' | '/completion fish') command=$command/$word ;;
        esac
        ((index++))
    done
    if [[ -z $only_arguments ]]; then
        case "$command $prev" in
            ' -p' | ' --profile') _kotta_ask profiles; return ;;
            ' --server') :; return ;;
            '/submit --script') _kotta_files -f; return ;;
            '/submit -i' | '/submit --input') _kotta_files -f; return ;;
            '/submit -o' | '/submit --output') :; return ;;
            '/submit -e' | '/submit --env') :; return ;;
            '/submit --requirements') _kotta_files -f; return ;;
            '/submit --set') :; return ;;
            '/submit -n' | '/submit --name') :; return ;;
            '/submit --queue') _kotta_ask queues; return ;;
            '/submit -t' | '/submit --walltime') :; return ;;
            '/submit --cpus') :; return ;;
            '/submit --gpus') :; return ;;
            '/submit --memory') :; return ;;
            '/submit --retries') :; return ;;
            '/submit --tag') _kotta_ask tags; return ;;
            '/submit --array') _kotta_files -f; return ;;
            '/submit --sweep') :; return ;;
            '/submit --after') _kotta_ask job; return ;;
            '/rerun -i' | '/rerun --input') _kotta_files -f; return ;;
            '/rerun -o' | '/rerun --output') :; return ;;
            '/rerun -e' | '/rerun --env') :; return ;;
            '/rerun --requirements') _kotta_files -f; return ;;
            '/rerun --set') :; return ;;
            '/rerun -n' | '/rerun --name') :; return ;;
            '/rerun --queue') _kotta_ask queues; return ;;
            '/rerun -t' | '/rerun --walltime') :; return ;;
            '/rerun --cpus') :; return ;;
            '/rerun --gpus') :; return ;;
            '/rerun --memory') :; return ;;
            '/rerun --retries') :; return ;;
            '/rerun --tag') _kotta_ask tags; return ;;
            '/rerun --array') _kotta_files -f; return ;;
            '/rerun --sweep') :; return ;;
            '/rerun --after') _kotta_ask job; return ;;
            '/wait -t' | '/wait --timeout') :; return ;;
            '/share --with') :; return ;;
            '/list -s' | '/list --status') _kotta_words 'pending staging_inputs processing staging_outputs completed failed cancelled'; return ;;
            '/list --queue') _kotta_ask queues; return ;;
            '/list --name') :; return ;;
            '/list --tag') _kotta_ask tags; return ;;
            '/list --array') :; return ;;
            '/list --since') :; return ;;
            '/list --owner') :; return ;;
            '/list --sort') _kotta_words 'id owner name status queue jobtype submitted_at started_at ended_at elapsed reason exit_code signal error attempt tags cpus memory_mib walltime_seconds array array_index waits_for change -id -owner -name -status -queue -jobtype -submitted_at -started_at -ended_at -elapsed -reason -exit_code -signal -error -attempt -tags -cpus -memory_mib -walltime_seconds -array -array_index -waits_for -change'; return ;;
            '/list -f' | '/list --fields') _kotta_list 'id owner name status queue jobtype submitted_at started_at ended_at elapsed reason exit_code signal error attempt tags cpus memory_mib walltime_seconds array array_index waits_for change'; return ;;
            '/list -L' | '/list --limit') :; return ;;
            '/logs -n' | '/logs --tail') :; return ;;
            '/logs --since') :; return ;;
            '/logs --stream') _kotta_words 'stdout stderr'; return ;;
            '/logs --offset') :; return ;;
            '/logs --attempt') :; return ;;
            '/usage --attempt') :; return ;;
            '/fetch -j' | '/fetch --job') _kotta_ask job; return ;;
            '/fetch -o' | '/fetch --output') _kotta_directories; return ;;
            '/serve --settings') _kotta_files -f; return ;;
            '/serve --host') :; return ;;
            '/serve --port') :; return ;;
            '/serve --data') _kotta_directories; return ;;
            '/serve --socket') _kotta_files -f; return ;;
            '/login --auth-file') _kotta_files -f; return ;;
            '/token/create --label') :; return ;;
            '/token/create --scope') :; return ;;
            '/token/create --expires') :; return ;;
            '/admin/user/add --role') :; return ;;
            '/admin/prune --older-than') :; return ;;
            '/admin/prune --storage-mib') :; return ;;
            '/admin/lifecycle --infrequent-after') :; return ;;
            '/admin/lifecycle --archive-after') :; return ;;
            '/admin/lifecycle --archive-class') :; return ;;
            '/admin/lifecycle --abort-after') :; return ;;
            '/admin/restore --data') _kotta_directories; return ;;
        esac
        # What may stand behind `=` alone.
        [[ -z $equals ]] || case "$command $prev" in
            '/submit --json') _kotta_list 'id owner name status reason queue jobtype tags cpus memory_mib walltime_seconds attempt array array_index waits_for submitted_at started_at ended_at exit_code signal error change fetch jobs inputs'; return ;;
            '/rerun --json') _kotta_list 'id owner name status reason queue jobtype tags cpus memory_mib walltime_seconds attempt array array_index waits_for submitted_at started_at ended_at exit_code signal error change fetch'; return ;;
            '/wait --json') _kotta_list 'id owner name status reason queue jobtype tags cpus memory_mib walltime_seconds attempt array array_index waits_for submitted_at started_at ended_at exit_code signal error change'; return ;;
            '/cancel --json') _kotta_list 'id owner name status reason queue jobtype tags cpus memory_mib walltime_seconds attempt array array_index waits_for submitted_at started_at ended_at exit_code signal error change'; return ;;
            '/share --json') _kotta_list 'id name shared_with'; return ;;
            '/list --json') _kotta_list 'id owner name status reason queue jobtype tags cpus memory_mib walltime_seconds attempt array array_index waits_for submitted_at started_at ended_at exit_code signal error change'; return ;;
            '/status --json') _kotta_list 'id owner name status reason queue jobtype tags cpus memory_mib walltime_seconds attempt array array_index waits_for submitted_at started_at ended_at exit_code signal error change description user_email staging_inputs_seconds processing_seconds staging_outputs_seconds cancel_requested_at expires_at cpu_seconds peak_memory_bytes result outputs timeline shared_with right_size counts jobs'; return ;;
            '/logs --json') _kotta_list 'job stream text'; return ;;
            '/usage --json') _kotta_list 'id attempt cpus memory_mib walltime_seconds samples'; return ;;
            '/why --json') _kotta_list 'id status reason reasons stderr stdout commands'; return ;;
            '/diff --json') _kotta_list 'first second is_same described ended measured'; return ;;
            '/queues --json') _kotta_list 'name executor cpus memory_mib cpus_used memory_used_mib running pending pending_after max_walltime_minutes'; return ;;
            '/fetch --json') _kotta_list 'job directory fetched already_there unavailable'; return ;;
            '/cat --json') _kotta_list 'job name size_bytes sha256 text base64'; return ;;
            '/cp --json') _kotta_list 'job name path size_bytes sha256'; return ;;
            '/upload --json') _kotta_list 'file url sha256 size_bytes sent'; return ;;
            '/service/status --json') _kotta_list 'running service'; return ;;
            '/service/stop --json') _kotta_list 'stopped'; return ;;
            '/service/logs --json') _kotta_list 'text'; return ;;
            '/serve --json') _kotta_list 'problems warnings serves'; return ;;
            '/login --json') _kotta_list 'login_needed server origin user profile kept_in'; return ;;
            '/logout --json') _kotta_list 'server logged_out'; return ;;
            '/whoami --json') _kotta_list 'name email role scopes server limits'; return ;;
            '/token/list --json') _kotta_list 'id kind label scopes created_at last_used_at expires_at is_current'; return ;;
            '/token/create --json') _kotta_list 'id kind label scopes created_at last_used_at expires_at is_current token'; return ;;
            '/token/revoke --json') _kotta_list 'id kind label scopes created_at last_used_at expires_at is_current'; return ;;
            '/admin/user/add --json') _kotta_list 'user url expires_at'; return ;;
            '/admin/user/list --json') _kotta_list 'name email role disabled created_at limits'; return ;;
            '/admin/user/invite --json') _kotta_list 'user url expires_at'; return ;;
            '/admin/user/disable --json') _kotta_list 'name email role disabled created_at limits'; return ;;
            '/admin/user/enable --json') _kotta_list 'name email role disabled created_at limits'; return ;;
            '/admin/user/role --json') _kotta_list 'name email role disabled created_at limits'; return ;;
            '/admin/user/limit --json') _kotta_list 'name email role disabled created_at limits'; return ;;
            '/admin/check --json') _kotta_list 'jobs outputs uploads read_bytes broken leftovers defects'; return ;;
            '/admin/backup --json') _kotta_list 'path size_bytes'; return ;;
            '/admin/prune --json') _kotta_list 'dry_run jobs uploads leftovers freed_bytes kept_as_needed'; return ;;
            '/admin/lifecycle --json') _kotta_list 'bucket applied policy'; return ;;
            '/admin/restore --json') _kotta_list 'jobs outputs uploads read_bytes broken leftovers defects'; return ;;
            '/config/get --json') _kotta_list 'key value origin'; return ;;
            '/config/set --json') _kotta_list 'key value origin'; return ;;
            '/config/unset --json') _kotta_list 'key value origin'; return ;;
            '/config/list --json') _kotta_list 'key value origin'; return ;;
            '/config/path --json') _kotta_list 'path'; return ;;
            '/config/edit --json') _kotta_list 'path changed'; return ;;
            '/doctor --json') _kotta_list 'check state text advice'; return ;;
            '/completion/install --json') _kotta_list 'shell script rc_file changed'; return ;;
            '/completion/uninstall --json') _kotta_list 'shell script rc_file changed'; return ;;
            '/completion/bash --json') _kotta_list 'shell text'; return ;;
            '/completion/zsh --json') _kotta_list 'shell text'; return ;;
            '/completion/fish --json') _kotta_list 'shell text'; return ;;
        esac
        if [[ $cur == -* ]]; then
            case "$command" in
                '') _kotta_words '-p --profile --server -V --version -h --help' ;;
                '/submit') _kotta_words '--script -i --input -o --output -e --env --requirements --set -n --name --queue -t --walltime --cpus --gpus --memory --retries --tag --array --sweep --after --check -w --wait --fetch -q --quiet --json -h --help' ;;
                '/rerun') _kotta_words '-i --input -o --output -e --env --requirements --set -n --name --queue -t --walltime --cpus --gpus --memory --retries --tag --array --sweep --after -w --wait --fetch -q --quiet --json -h --help' ;;
                '/wait') _kotta_words '-t --timeout -q --quiet --json -h --help' ;;
                '/cancel') _kotta_words '-y --yes -q --quiet --json -h --help' ;;
                '/share') _kotta_words '--with --json -h --help' ;;
                '/list') _kotta_words '-s --status --queue --name --tag --array --since --owner --everyone --shared --sort -f --fields -L --limit -a --all -w --watch -q --quiet --json -h --help' ;;
                '/status') _kotta_words '-q --quiet --json -h --help' ;;
                '/logs') _kotta_words '-f --follow -n --tail --since --stream --offset --attempt --json -h --help' ;;
                '/usage') _kotta_words '-w --watch --attempt --json -h --help' ;;
                '/why') _kotta_words '--json -h --help' ;;
                '/diff') _kotta_words '--json -h --help' ;;
                '/queues') _kotta_words '--json -h --help' ;;
                '/fetch') _kotta_words '-j --job -o --output --force --verify -q --quiet --json -h --help' ;;
                '/cat') _kotta_words '--json -h --help' ;;
                '/cp') _kotta_words '--force -q --quiet --json -h --help' ;;
                '/upload') _kotta_words '-q --quiet --json -h --help' ;;
                '/service') _kotta_words '-h --help' ;;
                '/service/status') _kotta_words '--json -h --help' ;;
                '/service/stop') _kotta_words '--json -h --help' ;;
                '/service/logs') _kotta_words '-f --follow --json -h --help' ;;
                '/serve') _kotta_words '--settings --host --port --data --socket --local --check --json -h --help' ;;
                '/login') _kotta_words '--with-token --auth-file --admin --trust-pickles --no-browser --json -h --help' ;;
                '/logout') _kotta_words '--json -h --help' ;;
                '/whoami') _kotta_words '--json -h --help' ;;
                '/token') _kotta_words '-h --help' ;;
                '/token/list') _kotta_words '--json -h --help' ;;
                '/token/create') _kotta_words '--label --scope --expires --json -h --help' ;;
                '/token/revoke') _kotta_words '--json -h --help' ;;
                '/admin') _kotta_words '-h --help' ;;
                '/admin/user') _kotta_words '-h --help' ;;
                '/admin/user/add') _kotta_words '--role --json -h --help' ;;
                '/admin/user/list') _kotta_words '--json -h --help' ;;
                '/admin/user/invite') _kotta_words '--json -h --help' ;;
                '/admin/user/disable') _kotta_words '--json -h --help' ;;
                '/admin/user/enable') _kotta_words '--json -h --help' ;;
                '/admin/user/role') _kotta_words '--json -h --help' ;;
                '/admin/user/limit') _kotta_words '--json -h --help' ;;
                '/admin/check') _kotta_words '--contents --json -h --help' ;;
                '/admin/backup') _kotta_words '--force --json -h --help' ;;
                '/admin/prune') _kotta_words '--older-than --storage-mib --dry-run -y --yes --json -h --help' ;;
                '/admin/lifecycle') _kotta_words '--infrequent-after --archive-after --archive-class --abort-after --apply --json -h --help' ;;
                '/admin/restore') _kotta_words '--data --json -h --help' ;;
                '/config') _kotta_words '-h --help' ;;
                '/config/get') _kotta_words '--json -h --help' ;;
                '/config/set') _kotta_words '--project --json -h --help' ;;
                '/config/unset') _kotta_words '--project --json -h --help' ;;
                '/config/list') _kotta_words '--show-origin --json -h --help' ;;
                '/config/path') _kotta_words '--project --json -h --help' ;;
                '/config/edit') _kotta_words '--project --json -h --help' ;;
                '/doctor') _kotta_words '--start --json -h --help' ;;
                '/completion') _kotta_words '-h --help' ;;
                '/completion/install') _kotta_words '--rc --json -h --help' ;;
                '/completion/uninstall') _kotta_words '--rc --json -h --help' ;;
                '/completion/bash') _kotta_words '--json -h --help' ;;
                '/completion/zsh') _kotta_words '--json -h --help' ;;
                '/completion/fish') _kotta_words '--json -h --help' ;;
                '/help') _kotta_words '-h --help' ;;
            esac
            return
        fi
    fi
    case "$command" in
        '') _kotta_words 'submit rerun wait cancel share list status logs usage why diff queues fetch cat cp upload service serve login logout whoami token admin config doctor completion help' ;;
        '/submit') _kotta_files -f ;;
        '/rerun') _kotta_ask jobs ;;
        '/wait') _kotta_ask active-jobs ;;
        '/cancel') _kotta_ask active-jobs ;;
        '/share') _kotta_ask jobs ;;
        '/status') _kotta_ask jobs ;;
        '/logs') _kotta_ask jobs ;;
        '/usage') _kotta_ask job ;;
        '/why') _kotta_ask jobs ;;
        '/diff') _kotta_ask job ;;
        '/fetch') _kotta_ask job-then-outputs ;;
        '/cat') _kotta_ask job-and-output ;;
        '/cp') _kotta_ask job-and-output; _kotta_files -f ;;
        '/upload') _kotta_files -f ;;
        '/service') _kotta_words 'status stop logs' ;;
        '/login') : ;;
        '/logout') : ;;
        '/token') _kotta_words 'list create revoke' ;;
        '/token/revoke') : ;;
        '/admin') _kotta_words 'user check backup prune lifecycle restore' ;;
        '/admin/user') _kotta_words 'add list invite disable enable role limit' ;;
        '/admin/user/add') : ;;
        '/admin/user/invite') : ;;
        '/admin/user/disable') : ;;
        '/admin/user/enable') : ;;
        '/admin/user/role') : ;;
        '/admin/user/limit') : ;;
        '/admin/backup') _kotta_files -f ;;
        '/admin/restore') _kotta_files -f ;;
        '/config') _kotta_words 'get set unset list path edit' ;;
        '/config/get') _kotta_ask keys ;;
        '/config/set') _kotta_ask key-then-value ;;
        '/config/unset') _kotta_ask keys ;;
        '/completion') _kotta_words 'install uninstall bash zsh fish' ;;
        '/completion/install') _kotta_words 'bash zsh fish' ;;
        '/completion/uninstall') _kotta_words 'bash zsh fish' ;;
        '/help') _kotta_words 'submit rerun wait cancel share list status logs usage why diff queues fetch cat cp upload service serve login logout whoami token admin config doctor completion selectors description output json exit-codes environment configuration' ;;
    esac
}

# Before 4.4 bash knows no nosort: the newest job is not the first then.
complete -o nosort -F _kotta kotta 2>/dev/null || complete -F _kotta kotta
