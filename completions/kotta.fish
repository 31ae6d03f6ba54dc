# fish completion for kotta; made by `python -m kotta_cli.completion_scripts`; do not edit

# What `kotta __complete KIND` knows, with descriptions.
function __kotta_ask
    kotta __complete $argv[1] (commandline --current-token) 2>/dev/null
end

# Whether the command typed so far is the one named, and none below it.
function __kotta_at
    set -l words (commandline -opc)[2..]
    set -l path
    while set -q words[1]
        switch "$path $words[1]"
            case ' -p' ' --profile' ' --server'
                set --erase words[1]
            case '* -*'
            case ' submit' ' status' ' list' ' wait' ' logs' ' fetch' ' cancel' ' queues' ' service' 'service status' 'service stop' 'service logs' ' serve' ' login' ' completion'
                set --append path $words[1]
        end
        set --erase words[1]
    end
    test "$path" = "$argv"
end

complete --command kotta --no-files
complete --command kotta --condition '__kotta_at' --short-option p --long-option profile --exclusive --keep-order --arguments '(__kotta_ask profiles)' --description 'Use the settings of this profile'
complete --command kotta --condition '__kotta_at' --long-option server --exclusive --description 'Talk to this service instead of the local one'
complete --command kotta --condition '__kotta_at' --short-option V --long-option version --description 'Print the version and exit'
complete --command kotta --condition '__kotta_at' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at' --arguments submit --description 'Submit a job, or many, from a description.'
complete --command kotta --condition '__kotta_at' --arguments status --description 'Show everything that is known of a job.'
complete --command kotta --condition '__kotta_at' --arguments list --description 'List jobs, newest first.'
complete --command kotta --condition '__kotta_at' --arguments wait --description 'Wait until jobs have ended, and exit as they did.'
complete --command kotta --condition '__kotta_at' --arguments logs --description 'Show what a job writes to stdout and stderr.'
complete --command kotta --condition '__kotta_at' --arguments fetch --description 'Download what a job has made.'
complete --command kotta --condition '__kotta_at' --arguments cancel --description 'End jobs.'
complete --command kotta --condition '__kotta_at' --arguments queues --description 'List the queues and how full they are.'
complete --command kotta --condition '__kotta_at' --arguments service --description 'Show or stop the local service, or read its log.'
complete --command kotta --condition '__kotta_at' --arguments serve --description 'Run the service in the foreground.'
complete --command kotta --condition '__kotta_at' --arguments login --description 'Log in to a shared service.'
complete --command kotta --condition '__kotta_at' --arguments completion --description 'Print the completion script for a shell.'
complete --command kotta --condition '__kotta_at submit' --long-option script --require-parameter --force-files --description 'File that becomes the job\'s script'
complete --command kotta --condition '__kotta_at submit' --short-option w --long-option wait --description 'Wait for its end, and exit with its exit code'
complete --command kotta --condition '__kotta_at submit' --long-option fetch --description 'Wait, then download what it made'
complete --command kotta --condition '__kotta_at submit' --short-option q --long-option quiet --description 'Show no progress'
complete --command kotta --condition '__kotta_at submit' --long-option json --description 'Print JSON, and errors as JSON too'
complete --command kotta --condition '__kotta_at submit' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at submit' --force-files
complete --command kotta --condition '__kotta_at status' --long-option json --description 'Print JSON, and errors as JSON too'
complete --command kotta --condition '__kotta_at status' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at status' --keep-order --arguments '(__kotta_ask jobs)'
complete --command kotta --condition '__kotta_at list' --short-option s --long-option status --exclusive --arguments 'pending staging_inputs processing staging_outputs completed failed cancelled' --description 'In this state; may be repeated'
complete --command kotta --condition '__kotta_at list' --long-option queue --exclusive --keep-order --arguments '(__kotta_ask queues)' --description 'In this queue'
complete --command kotta --condition '__kotta_at list' --long-option name --exclusive --description 'Called so; * and ? stand for others'
complete --command kotta --condition '__kotta_at list' --short-option L --long-option limit --exclusive --description 'At most so many; 100 if left out'
complete --command kotta --condition '__kotta_at list' --short-option a --long-option all --description 'Without limit'
complete --command kotta --condition '__kotta_at list' --short-option w --long-option watch --description 'Follow them as they change'
complete --command kotta --condition '__kotta_at list' --long-option json --description 'Print JSON, and errors as JSON too'
complete --command kotta --condition '__kotta_at list' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at wait' --short-option t --long-option timeout --exclusive --description 'Give up after so long'
complete --command kotta --condition '__kotta_at wait' --short-option q --long-option quiet --description 'Show no progress'
complete --command kotta --condition '__kotta_at wait' --long-option json --description 'Print JSON, and errors as JSON too'
complete --command kotta --condition '__kotta_at wait' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at wait' --keep-order --arguments '(__kotta_ask active-jobs)'
complete --command kotta --condition '__kotta_at logs' --short-option f --long-option follow --description 'Go on until the job has ended'
complete --command kotta --condition '__kotta_at logs' --long-option stream --exclusive --arguments 'stdout stderr' --description 'stdout or stderr; both if left out'
complete --command kotta --condition '__kotta_at logs' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at logs' --keep-order --arguments '(__kotta_ask jobs)'
complete --command kotta --condition '__kotta_at fetch' --short-option o --long-option output --exclusive --arguments '(__fish_complete_directories)' --description 'Folder to put them in; one named by the job\'s id'
complete --command kotta --condition '__kotta_at fetch' --long-option force --description 'Replace files that differ'
complete --command kotta --condition '__kotta_at fetch' --short-option q --long-option quiet --description 'Show no progress'
complete --command kotta --condition '__kotta_at fetch' --long-option json --description 'Print JSON, and errors as JSON too'
complete --command kotta --condition '__kotta_at fetch' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at fetch' --keep-order --arguments '(__kotta_ask jobs)'
complete --command kotta --condition '__kotta_at cancel' --long-option json --description 'Print JSON, and errors as JSON too'
complete --command kotta --condition '__kotta_at cancel' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at cancel' --keep-order --arguments '(__kotta_ask active-jobs)'
complete --command kotta --condition '__kotta_at queues' --long-option json --description 'Print JSON, and errors as JSON too'
complete --command kotta --condition '__kotta_at queues' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at service' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at service' --arguments status --description 'Show the local service, without starting it.'
complete --command kotta --condition '__kotta_at service' --arguments stop --description 'Stop the local service; jobs run on, and the next command starts it again.'
complete --command kotta --condition '__kotta_at service' --arguments logs --description 'Show the log of the local service, running or not.'
complete --command kotta --condition '__kotta_at service status' --long-option json --description 'Print JSON, and errors as JSON too'
complete --command kotta --condition '__kotta_at service status' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at service stop' --long-option json --description 'Print JSON, and errors as JSON too'
complete --command kotta --condition '__kotta_at service stop' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at service logs' --short-option f --long-option follow --description 'Go on as it is written'
complete --command kotta --condition '__kotta_at service logs' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at serve' --long-option socket --require-parameter --force-files --description 'Listen on this Unix socket'
complete --command kotta --condition '__kotta_at serve' --long-option data --exclusive --arguments '(__fish_complete_directories)' --description 'Keep everything in this directory'
complete --command kotta --condition '__kotta_at serve' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at login' --long-option json --description 'Print JSON, and errors as JSON too'
complete --command kotta --condition '__kotta_at login' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at completion' --short-option h --long-option help --description 'Show this page and exit'
complete --command kotta --condition '__kotta_at completion' --arguments 'bash zsh fish'
